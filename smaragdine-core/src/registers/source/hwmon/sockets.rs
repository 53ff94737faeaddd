//! Which socket each meter meters, so that it is known whose share its energy is.

use super::Hwmon;
use super::known::{Known, Meaning, Number};
use super::overlap::stop;
use crate::registers::topology::Topology;
use crate::trace::UNKNOWN_SOCKET;

impl Hwmon {
    /// Finds the socket of each meter by the machine's `topology`. Where a driver reads one socket's register under
    /// several names, it is counted once.
    #[must_use]
    pub fn on(mut self, topology: &Topology) -> Self {
        let sockets: Vec<Option<u32>> =
            self.found.iter().map(|(known, order)| self.socket(topology, known.as_ref()?, *order)).collect();
        let mut metered: Vec<(u32, Number, String)> = Vec::new();
        for ((domain, (known, _)), socket) in self.domains.iter_mut().zip(&self.found).zip(sockets) {
            let Some(socket) = socket else { continue };
            domain.scope = format!("socket:{socket}");
            let Some(Known { meaning: Meaning::Socket(number), .. }) = known else { continue };
            let again = metered.iter().find(|(id, of, _)| *id == socket && *of == Number::Node && of == number);
            if let (true, Some((_, _, first))) = (domain.counted, again) {
                stop(domain, &format!("reads the register of {first} again: both NUMA nodes are in socket {socket}"));
            }
            metered.push((socket, *number, domain.name.clone()));
        }
        let all_placed = self.sockets().all(|domain| domain.scope != UNKNOWN_SOCKET) && self.sockets().next().is_some();
        let unmetered = topology.sockets().iter().filter(|id| !metered.iter().any(|(socket, _, _)| socket == *id));
        self.problems.extend(unmetered.filter(|_| all_placed).map(|id| {
            format!("no hardware monitor meters socket {id}, although others do theirs: its energy is missing, not 0")
        }));
        self
    }

    /// The kernel's id of the socket that a meter on the `order`th chip of its driver is of.
    fn socket(&self, topology: &Topology, known: &Known, order: u32) -> Option<u32> {
        let kin = || self.found.iter().filter_map(|(other, order)| Some((other.as_ref()?, *order)));
        let kin = || kin().filter(|(other, _)| other.rank == known.rank && other.meaning == known.meaning);
        let numbers = || -> Vec<u32> { kin().filter_map(|(other, _)| other.number).collect() };
        match (known.meaning, known.number) {
            (Meaning::Module | Meaning::Socket(Number::Index), Some(number)) => topology.numbered(number, &numbers()),
            (Meaning::Socket(Number::Node), Some(node)) if topology.has_nodes() => topology.of_node(node),
            (Meaning::Socket(Number::Node), Some(number)) => topology.numbered(number, &numbers()),
            (Meaning::Socket(Number::Order), _) => {
                let orders: Vec<u32> = kin().map(|(_, order)| order).collect();
                let all = (0..).zip(topology.sockets()).all(|(order, _)| orders.contains(&order));
                topology.numbered(order, &orders).filter(|_| all)
            }
            _ => None,
        }
    }
}
