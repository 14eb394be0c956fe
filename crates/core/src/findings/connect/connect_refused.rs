//! connect-refused: the host answers our SYN with RST, so nothing listens on the port.

use crate::findings::{At, Basis, Found, Key, Rule, Share, Told};
use crate::questions::tcp::{Connect, Opened, Role};
use crate::subject::Service;

pub(super) const RULE: Rule = Rule::service(&["connect-refused"], &[Role::Smtp], examine);

fn examine(at: &At<'_, Service>, found: &mut Found<'_>) -> Told {
    let connect = at.ask(&Connect)?;
    if connect.opened == Opened::Refused {
        let host = connect.host.clone().unwrap_or_else(|| at.on.0.ip().to_string());
        found
            .is(Key::Named(format!("{} refused", connect.role.name())))
            .says(format!("{host} ({}) refuses connections to port {}: nothing listens there", at.on.0.ip(), at.on.0.port()))
            .detail("host", host.as_str())
            .detail("address", at.on.0.ip().to_string())
            .detail("port", at.on.0.port())
            .witnessed(connect.id())
            .claims(connect.id(), Share::Whole, Basis::Witnessed);
    }
    found.state()
}
