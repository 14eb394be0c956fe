//! TLSA records of mail exchangers, and whether those who were asked validate at all.

use futures::future::{join_all, join3};

use super::Context;
use crate::questions::dane::{Tlsa, name_of};
use crate::questions::dns::{Dns, Followed, RecordType, Via};
use crate::subject::Domain;

/// Asks for the records of a host, and of the name that it is an alias of: senders look there first (RFC 7672 section
/// 2.2.2). Where they come without AD, a resolver out there is asked as well, and both are asked for what is signed everywhere:
/// whether the zone or the resolver lacks DNSSEC is told by that.
pub async fn look(context: &Context, host: &str, alias_of: Option<&str>) {
    join_all(std::iter::once(host).chain(alias_of).map(|name| look_at(context, name))).await;
}

async fn look_at(context: &Context, host: &str) {
    let own = ask(context, Via::Own, host).await;
    let unsigned = own.definite().is_some_and(|answer| !Tlsa::of(&answer).is_empty() && !answer.ad);
    if !unsigned {
        return;
    }
    match context.options.foreign_resolvers.first().map(|addr| Via::Foreign(*addr)) {
        Some(foreign) => {
            join3(ask(context, foreign, host), root(context, Via::Own), root(context, foreign)).await;
        }
        None => {
            root(context, Via::Own).await;
        }
    }
}

async fn ask(context: &Context, via: Via, host: &str) -> Dns {
    let (name, rtype) = (name_of(host), RecordType::Tlsa);
    let wire = context.lookup(&Followed { rtype, via }, &Domain::new(&name), via, &name, rtype).await;
    Dns { wire }
}

/// The root is signed: a resolver that validates says so.
async fn root(context: &Context, via: Via) {
    let rtype = RecordType::Soa;
    context.lookup(&Followed { rtype, via }, &Domain::new("."), via, ".", rtype).await;
}
