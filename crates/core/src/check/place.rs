//! One place of a run: made ready, looked from, and what the case keeps of it.

use std::sync::Arc;

use futures::future::join;

use super::look::{self, Outcome};
use super::walked;
use crate::case::{Case, VantageRecord};
use crate::probe::Context;
use crate::questions::place::{Opened as Ready, Opening};
use crate::questions::tcp::{Connect, Opened};
use crate::roots::Roots;
use crate::target::Target;
use crate::vantage::Vantage;

/// Makes the place ready and looks at the target from it; `None` where it cannot be looked from. A place that is
/// late with getting ready keeps no other waiting.
pub(super) async fn look_from(context: &Arc<Context>, target: &Target, roots: &Roots, first: bool) -> Option<Outcome> {
    let vantage = &context.vantage;
    if vantage.kind() != "local" {
        let _step = context.recorder.step(format!("way to {}", vantage.id));
        let (opened, times) = context.timed(vantage.open(context.limit())).await;
        let ready = match opened {
            Ok(()) => Ready::Ready {
                resolver: vantage.resolver(),
                own_resolver: vantage.own_resolver().is_some(),
                source: vantage.own_source(),
            },
            Err(error) => Ready::Failed { error },
        };
        context.record(&Opening, &vantage.id, times, &ready);
        if ready.failure().is_some() {
            return None;
        }
    }
    let walk = async {
        if first && context.options.outbound.is_none() {
            walked(context, target, roots).await;
        }
    };
    Some(join(look::look(context, target, first), walk).await.0)
}

/// What the case keeps of the places, and the addresses by which peers saw them.
pub(super) fn note_places<'v>(case: &mut Case, places: impl Iterator<Item = &'v Vantage>) {
    case.vantages = places
        .map(|vantage| VantageRecord {
            name: vantage.id.0.clone(),
            kind: vantage.kind().to_owned(),
            source_ip: source_of(case, vantage).or_else(|| vantage.own_source()),
            resolver: Some(vantage.resolver()),
        })
        .collect();
}

/// The source address that connections of a place had.
fn source_of(case: &Case, vantage: &Vantage) -> Option<std::net::IpAddr> {
    case.every::<Connect>().filter(|seen| seen.observation().vantage == vantage.id).find_map(|seen| {
        match &seen.opened {
            Opened::Open { local } => local.map(|l| l.ip()),
            _ => None,
        }
    })
}
