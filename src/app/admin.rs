//! skeleton
use super::control::Control;
use crate::server::Listener;
use std::rc::Rc;
pub(super) async fn serve(_listener: Listener, _control: Rc<Control>) {}
