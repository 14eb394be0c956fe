//! The mail servers of this machine and what they work with, as their settings say.

use std::collections::BTreeSet;

use futures::future::join4;

use crate::probe::{Context, host};
use crate::questions::host::asks::{Asks, Endpoint, List};
use crate::questions::host::dovecot::DovecotWire;
use crate::questions::host::exim::EximWire;
use crate::questions::host::opensmtpd::OpenSmtpdWire;
use crate::questions::host::postfix::PostfixView;
use crate::questions::host::rspamd::RspamdWire;

/// What was read.
pub(super) struct Servers<'h> {
    /// The instances of Postfix.
    pub(super) postfix: &'h [PostfixView],
    /// Exim's program, and its settings.
    pub(super) exim: Option<(&'static str, EximWire)>,
    /// OpenSMTPD's file, and what stands in it.
    pub(super) opensmtpd: Option<(&'static str, OpenSmtpdWire)>,
    pub(super) dovecot: Option<DovecotWire>,
    /// Rspamd, where it is a milter of one of the servers.
    pub(super) rspamd: Option<RspamdWire>,
}

impl<'h> Servers<'h> {
    /// Reads what there is beside Postfix, and how full the disks are that it writes to.
    pub(super) async fn read(context: &Context, postfix: &'h [PostfixView]) -> Self {
        let exim = async {
            let exim = host::exim::settings(context).await;
            let opensmtpd = host::opensmtpd::settings(context, postfix.is_empty() && exim.is_none()).await;
            (exim, opensmtpd)
        };
        let (dovecot, rspamd) = (host::dovecot::settings(context), host::rspamd::settings(context));
        let ((exim, opensmtpd), dovecot, rspamd, ()) = join4(exim, dovecot, rspamd, host::units::read(context)).await;
        let mut servers = Self { postfix, exim, opensmtpd, dovecot, rspamd };
        servers.rspamd = servers.rspamd.take().filter(|rspamd| servers.ask_a_milter(|milter| rspamd.is(milter)));
        servers.disks(context).await;
        servers
    }

    /// Whether one of them asks a milter of this kind.
    fn ask_a_milter(&self, is: impl Fn(&Endpoint) -> bool) -> bool {
        let of_postfix = self.postfix.iter().flat_map(asks_of);
        let of_opensmtpd =
            self.opensmtpd.iter().flat_map(|(_, own)| own.ports().into_iter().map(|port| own.asks(port)));
        of_postfix.chain(of_opensmtpd).flat_map(|asks| asks.milters).any(|milter| is(&milter))
    }

    /// The lists that are asked by the resolvers of the machine: those of Postfix may be asked by others.
    pub(super) fn lists(&self) -> Vec<List> {
        let of_exim = self.exim.as_ref().map(|(_, settings)| settings.asks().lists).unwrap_or_default();
        of_exim.into_iter().chain(self.rspamd.iter().flat_map(|rspamd| rspamd.asked())).collect()
    }

    /// How full the disks are on which queues and mailboxes lie, each once.
    async fn disks(&self, context: &Context) {
        let of_postfix = |postfix: &PostfixView| {
            let mailboxes = ["mail_spool_directory", "virtual_mailbox_base"].map(|name| postfix.setting(name));
            let paths = std::iter::once(Some(postfix.queue())).chain(mailboxes).flatten();
            paths.map(str::to_owned).collect::<Vec<String>>()
        };
        let mut paths: Vec<String> = self.postfix.iter().flat_map(of_postfix).collect();
        paths.extend(self.exim.iter().filter_map(|(_, exim)| exim.setting("spool_directory")).map(str::to_owned));
        paths.extend(self.dovecot.iter().flat_map(DovecotWire::mailboxes).map(str::to_owned));
        let mut known = BTreeSet::new();
        for path in paths.iter().filter(|path| path.starts_with('/')) {
            if host::machine::device(path).is_some_and(|device| known.insert(device)) {
                host::machine::disk(context, path).await;
            }
        }
    }
}

/// What a Postfix asks, port by port.
pub(super) fn asks_of(instance: &PostfixView) -> impl Iterator<Item = Asks> + '_ {
    instance.listening().filter_map(|(_, port)| instance.asks(port?))
}
