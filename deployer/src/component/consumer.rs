//! .
use super::{Component, Context};
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{Node, Role};
use std::collections::BTreeMap;
/// .
pub struct Consumer;
impl Component for Consumer {
    fn role(&self) -> Role {
        Role::Consumer
    }
    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        todo!()
    }
    fn ports(&self, _: &Node, _: &Context<'_>) -> Vec<u16> {
        todo!()
    }
    fn install(&self, _: &Node, _: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        todo!()
    }
    fn start(&self, _: &Node, _: &Context<'_>, _: &BTreeMap<String, String>) -> Vec<Action> {
        todo!()
    }
}
