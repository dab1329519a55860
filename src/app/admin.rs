//! skeleton
use std::rc::Rc;
use super::control::Control;
use crate::server::Listener;
pub(super) async fn serve(_listener: Listener, _control: Rc<Control>) {}
