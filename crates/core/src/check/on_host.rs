//! What is read on the server itself (`--on-host`), while the rest of the run looks at it from outside.

use std::sync::Arc;

use crate::probe::Context;
use crate::probe::host;
use crate::questions::host::sockets::Listeners;

/// Reads this machine, where it is the server under test.
pub(super) async fn look(context: Option<&Arc<Context>>) {
    let Some(context) = context.filter(|context| context.options.on_host) else {
        return;
    };
    let at = context.recorder.now();
    let listeners = tokio::task::spawn_blocking(host::sockets::listeners).await.unwrap_or_default();
    host::record(context, &Listeners, (at, context.recorder.now() - at), &listeners);
    host::postfix::instances(context, context.options.mta_config.as_deref()).await;
}
