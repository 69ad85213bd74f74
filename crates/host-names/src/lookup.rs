//! One lookup of one name.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::{Instant, timeout_at};

use crate::servers::{DEADLINE, Resolvers, Servers};

/// What a lookup found: at least one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The IPv4 addresses; `None` where their part of the lookup failed, so that nothing is known
    /// of them.
    pub(crate) ipv4: Option<Vec<IpAddr>>,
    /// The IPv6 addresses, likewise.
    pub(crate) ipv6: Option<Vec<IpAddr>>,
    /// How long the answer holds, as the name server says.
    pub(crate) time_to_live: Duration,
}

/// The addresses of one family, and how long they hold.
struct Addresses {
    list: Vec<IpAddr>,
    time_to_live: Duration,
}

/// Looks `name` up; an error is a reason to show to people.
pub(crate) async fn look_up(servers: &Servers, name: &str) -> Result<Answer, String> {
    let name = Name::from_str_relaxed(name).map_err(|error| format!("not a host name: {error}"))?;
    // As in the C library: a name that stands in the hosts file as it is written is not searched
    // for.
    if let Some(answer) = in_hosts_file(servers, &name) {
        return Ok(answer);
    }
    let resolvers = servers.resolvers.as_ref().map_err(Clone::clone)?;
    let deadline = Instant::now() + DEADLINE;
    let mut trouble = None;
    for candidate in servers.search.candidates(&name) {
        if let Some(answer) = in_hosts_file(servers, &candidate) {
            return Ok(answer);
        }
        // A further query would only be sent, and its answer not waited for.
        if Instant::now() >= deadline {
            continue;
        }
        let (ipv4, ipv6) = tokio::join!(
            family(resolvers, &candidate, RecordType::A, deadline),
            family(resolvers, &candidate, RecordType::AAAA, deadline),
        );
        match both(ipv4, ipv6) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(reason) => trouble = trouble.or(Some(reason)),
        }
    }
    Err(trouble.unwrap_or_else(|| "host not found, or it has no address".to_owned()))
}

fn in_hosts_file(servers: &Servers, name: &Name) -> Option<Answer> {
    let addresses = |record_type| {
        servers
            .hosts
            .lookup_static_host(&Query::query(name.clone(), record_type))
            .map(|lookup| taken_from(&lookup))
    };
    // No error: the hosts file has no address of a family that it does not name.
    both(
        Ok(addresses(RecordType::A).unwrap_or_else(Addresses::none)),
        Ok(addresses(RecordType::AAAA).unwrap_or_else(Addresses::none)),
    )
    .ok()
    .flatten()
}

/// The addresses of one family. That there are none is an answer too, and no error.
async fn family(
    resolvers: &Resolvers,
    name: &Name,
    record_type: RecordType,
    deadline: Instant,
) -> Result<Addresses, String> {
    // A deadline for each family: one that is never answered does not take the other's answer with
    // it.
    let found = timeout_at(deadline, async {
        let mut best = resolvers.all.lookup(name.clone(), record_type).await;
        // The quickest answer counts for hickory, also a refusal. To the C library only an answer
        // is an answer.
        for resolver in &resolvers.each {
            if !matches!(best, Err(NetError::Dns(DnsError::ResponseCode(_)))) {
                break;
            }
            let found = resolver.lookup(name.clone(), record_type).await;
            if matches!(found, Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_)))) {
                best = found;
            }
        }
        best
    });
    match found.await {
        Err(_) | Ok(Err(NetError::Timeout)) => Err("no response from the name servers".to_owned()),
        Ok(Ok(lookup)) => Ok(taken_from(&lookup)),
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none))))
            if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
        {
            Ok(Addresses::none())
        }
        Ok(Err(NetError::Dns(DnsError::ResponseCode(code)))) => {
            Err(format!("the name server responded with \"{code}\""))
        }
        Ok(Err(error)) => Err(error.to_string()),
    }
}

impl Addresses {
    fn none() -> Self {
        Self { list: Vec::new(), time_to_live: Duration::MAX }
    }
}

fn taken_from(lookup: &Lookup) -> Addresses {
    let records = lookup.answers();
    Addresses {
        list: records.iter().filter_map(|record| record.data.ip_addr()).collect(),
        // Of all records, the aliases (CNAME) on the way to the addresses included.
        time_to_live: records
            .iter()
            .map(|record| Duration::from_secs(u64::from(record.ttl)))
            .min()
            .unwrap_or(Duration::MAX),
    }
}

/// Both families as one answer, `None` if neither has an address.
fn both(
    ipv4: Result<Addresses, String>,
    ipv6: Result<Addresses, String>,
) -> Result<Option<Answer>, String> {
    let found = |addresses: &Result<Addresses, String>| {
        addresses.as_ref().is_ok_and(|a| !a.list.is_empty())
    };
    if !found(&ipv4) && !found(&ipv6) {
        return ipv4.and(ipv6).map(|_| None);
    }
    let time_to_live = [&ipv4, &ipv6]
        .into_iter()
        .filter_map(|addresses| addresses.as_ref().ok())
        .map(|addresses| addresses.time_to_live)
        .min()
        .unwrap_or(Duration::ZERO);
    let list =
        |addresses: Result<Addresses, String>| addresses.ok().map(|addresses| addresses.list);
    Ok(Some(Answer { ipv4: list(ipv4), ipv6: list(ipv6), time_to_live }))
}
