//! Which node of a cluster has which slots, and our link to each.

use std::{cell::Cell, rc::Rc};

use super::{
    link::Link,
    replicas::Guard,
    slots::{Range, SLOTS},
};
use crate::config::RedisNode;

/// No node has the slot.
const NOBODY: u16 = u16::MAX;

#[derive(Default)]
pub(super) struct Map {
    /// Some of them may have no slot (yet).
    pub(super) members: Vec<Rc<Member>>,
    /// Of each slot, the place of its node among the members; nothing before the first look.
    pub(super) owners: Vec<u16>,
}

/// A node, and our link to it.
pub(super) struct Member {
    pub(super) node: RedisNode,
    pub(super) link: Link,
    /// For writes that wait for replicas, if any do.
    pub(super) guard: Option<Guard>,
    /// Whether a command was sent here this once since the last look at the map.
    pub(super) visited: Cell<bool>,
}

impl Member {
    /// The link that a command goes over.
    pub(super) fn line(&self, lasting: bool) -> &Link {
        self.guard.as_ref().filter(|_| lasting).map_or(&self.link, Guard::link)
    }
}

impl Map {
    /// The place of `node` among the members, which is made if need be.
    pub(super) fn place(
        &mut self,
        node: RedisNode,
        connect: impl FnOnce(RedisNode) -> Rc<Member>,
    ) -> u16 {
        let place = self.members.iter().position(|member| member.node == node);
        let place = place.unwrap_or_else(|| {
            self.members.push(connect(node));
            self.members.len() - 1
        });
        u16::try_from(place).unwrap_or(NOBODY)
    }

    /// The map that `ranges` describe, with the links that there are already. Nodes without a slot are
    /// not in it, unless they were visited.
    pub(super) fn next(
        &self,
        ranges: Vec<Range>,
        connect: impl Fn(RedisNode) -> Rc<Member>,
    ) -> Self {
        let mut next = Self { members: Vec::new(), owners: vec![NOBODY; SLOTS] };
        let known = |node: RedisNode| {
            let known = self.members.iter().find(|member| member.node == node);
            known.map_or_else(|| connect(node), Rc::clone)
        };
        for (first, last, node) in ranges {
            let place = next.place(node, known);
            next.owners[first..=last].fill(place);
        }
        for member in self.members.iter().filter(|member| member.visited.replace(false)) {
            next.place(member.node.clone(), known);
        }
        next
    }

    /// Whether each slot has the same node in both, and there are no others.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.owners.len() == other.owners.len()
            && self.members.len() == other.members.len()
            && (0..self.owners.len()).all(|slot| self.node(slot) == other.node(slot))
    }

    fn node(&self, slot: usize) -> Option<&RedisNode> {
        Some(&self.members.get(usize::from(self.owners[slot]))?.node)
    }

    /// The members that have slots, and how many slots nobody has.
    pub(super) fn in_charge(&self) -> (Vec<Rc<Member>>, usize) {
        let mut counts = vec![0; self.members.len()];
        let mut unowned = 0;
        for owner in &self.owners {
            *counts.get_mut(usize::from(*owner)).unwrap_or(&mut unowned) += 1;
        }
        let members = self.members.iter().zip(counts).filter(|(_, count)| *count > 0);
        (members.map(|(member, _)| Rc::clone(member)).collect(), unowned)
    }
}
