//! The order in which the targets of a service are tried (RFC 2782).

/// One SRV record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// By priority, and within one at random by weight. `random(n)` gives a number from 0 to n.
pub(super) fn order(mut services: Vec<Service>, mut random: impl FnMut(u32) -> u32) -> Vec<Service> {
    // Those of weight 0 first, so that they have a small chance and not none.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let same = services.iter().take_while(|service| service.priority == first.priority).count();
        let total = services[..same].iter().map(|service| u32::from(service.weight)).sum();
        let point = random(total);
        let mut running = 0;
        let chosen = services[..same].iter().position(|service| {
            running += u32::from(service.weight);
            running >= point
        });
        ordered.push(services.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn targets(services: Vec<Service>) -> Vec<String> {
        services.into_iter().map(|service| service.target).collect()
    }

    #[test]
    fn lower_priority_numbers_come_first() {
        let services = vec![service(20, 0, "c"), service(10, 0, "a"), service(15, 9, "b")];
        assert_eq!(targets(order(services, |_| 0)), ["a", "b", "c"]);
    }

    #[test]
    fn within_a_priority_the_weight_decides() {
        let services = || vec![service(1, 60, "big"), service(1, 20, "small"), service(1, 0, "none")];
        assert_eq!(targets(order(services(), |_| 0)), ["none", "small", "big"]);
        assert_eq!(targets(order(services(), |total| total)), ["big", "small", "none"]);
        assert_eq!(targets(order(services(), |total| total.min(20))), ["small", "big", "none"]);
    }

    #[test]
    fn heavier_targets_are_first_about_as_often_as_their_weight_says() {
        let mut seed = 1u32;
        let mut random = |most: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((u64::from(seed) * u64::from(most + 1)) >> 32) as u32
        };
        let services = vec![service(1, 75, "heavy"), service(1, 25, "light")];
        let heavy = (0..4000).filter(|_| order(services.clone(), &mut random)[0].target == "heavy").count();
        assert!((2800..3200).contains(&heavy), "{heavy} of 4000");
    }
}
