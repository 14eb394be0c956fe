//! `maildoctor talk`: a session by hand, in the place of telnet and `openssl s_client`.

mod args;
mod expect;
mod input;
mod keyboard;
mod lines;
mod live;
mod login;
mod orders;
mod quiet;
mod screen;
mod server;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use maildoctor_core::options::{self, Options, VantageSpec};
use maildoctor_core::probe::tls::Trusted;
use maildoctor_core::typed::{Peer, Place};

pub(crate) use args::Args;

use super::secret;
use expect::Expected;
use input::Input;
use keyboard::Typing;
use live::{Live, Settings};
use login::Account;
use quiet::Quiet;
use screen::Screen;

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let mut peer = Peer::parse(&args.target)?;
    peer.implicit_tls = (peer.implicit_tls || args.tls) && !args.plain;
    let spec = VantageSpec::parse(&args.from)?;
    if args.bind.is_some() && spec != VantageSpec::Local {
        bail!("--bind is for connections from this machine, and --from names another place; leave one of them out");
    }
    let options = Options {
        resolver: args.resolver.as_deref().map(|text| options::parse_resolver(text, 53)).transpose()?,
        bind: args.bind,
        socks_password: secret::socks_password(args.socks_password_file.as_deref())?,
        timeout: options::parse_duration(&args.timeout)?,
        ..Options::default()
    };
    let expected =
        args.expect.iter().map(|text| Expected::parse(text)).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
    let typed_at = std::io::stdin().is_terminal();
    let mut screen = Screen::new(typed_at, args.transcript.as_deref())?;
    let typing = Arc::new(Mutex::new(Typing::new(peer.protocol)));
    let input = if typed_at {
        let (input, printer) = Input::keyboard(typing.clone(), args.history.clone())?;
        if let Some(printer) = printer {
            screen.print_above(printer);
        }
        input
    } else {
        Input::script()
    };
    let settings = Settings {
        server_name: args.server_name.clone().unwrap_or_else(|| peer.host.clone()),
        account: Account { user: args.user.clone(), password: args.password.read()?, insecure: args.insecure_auth },
        expected,
        limit: options.timeout,
        typed_at,
    };
    let _quiet = typed_at.then(Quiet::keyboard);
    let trusted = Trusted::load(args.ca_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the session cannot be started")?;
    let code = runtime.block_on(async {
        let place = Place::open(&spec, &options, trusted).await?;
        let code = Live::new(&place, peer, settings, screen, input, &typing).run().await;
        place.close().await;
        code
    });
    runtime.shutdown_background();
    code
}
