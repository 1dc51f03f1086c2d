//! That a certificate is no use yet.

use maud::{Markup, html};
use mirage_control::Control;
use mirage_core::Result;

use crate::visitor::Visitor;

/// Says that nothing answers over TLS here, where that is so: domains answer over plain HTTP alone then.
pub(crate) async fn without_tls(control: &Control, visitor: &Visitor) -> Result<Option<Markup>> {
    let about = control.about(visitor.actor()).await?;
    Ok(about.proxy_tls_port.is_none().then(|| {
        html! {
            "This platform answers nobody over TLS yet, so a domain is answered over plain HTTP and its certificate is of \
             no use. Start " code { "mirage serve" } " with " code { "--proxy-tls-listen 0.0.0.0:443" } " to change that."
        }
    }))
}
