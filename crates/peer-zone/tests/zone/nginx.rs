//! nginx's round robin, `hash`, `hash … consistent` and `ip_hash` as they stand in its source
//! (src/http and src/http/modules).

use peer_zone::{Method, PeerSpec};

/// `tries > 20` in each of nginx's three methods.
const TRIES: u32 = 20;

/// `ngx_http_upstream_get_peer`, reduced to weights and what a request has tried.
pub struct RoundRobin {
    weights: Vec<i64>,
    current: Vec<i64>,
}

impl RoundRobin {
    pub fn new(weights: &[u32]) -> Self {
        Self {
            weights: weights.iter().map(|&weight| i64::from(weight)).collect(),
            current: vec![0; weights.len()],
        }
    }

    /// The peer for a request that has tried these.
    pub fn pick(&mut self, tried: &[usize]) -> Option<usize> {
        let (mut best, mut total) = (None, 0);
        for index in (0..self.weights.len()).filter(|index| !tried.contains(index)) {
            self.current[index] += self.weights[index];
            total += self.weights[index];
            if best.is_none_or(|best: usize| self.current[index] > self.current[best]) {
                best = Some(index);
            }
        }
        self.current[best?] -= total;
        best
    }
}

/// A peer as nginx's round robin has it, reduced to what the three methods read.
pub struct NginxPeer {
    pub address: String,
    server: String,
    weight: u32,
    down: bool,
    pub has_failed: bool,
    pub is_full: bool,
}

/// What nginx's peer data holds of a request.
pub struct NginxRequest {
    tries: u32,
    rehash: u32,
    hash: u32,
    pub tried: Vec<usize>,
}

impl NginxRequest {
    fn new(hash: u32) -> Self {
        Self { tries: 0, rehash: 0, hash, tried: Vec::new() }
    }

    /// nginx's `goto next`; says whether round robin goes on.
    fn is_lost(&mut self) -> bool {
        self.tries += 1;
        self.tries > TRIES
    }
}

pub struct Nginx {
    pub peers: Vec<NginxPeer>,
    points: Vec<(u32, String)>,
}

fn crc32(parts: &[&[u8]]) -> u32 {
    // The bitwise form, so that it shares nothing with the code that is tested.
    let mut crc = u32::MAX;
    for &byte in parts.iter().copied().flatten() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

impl Nginx {
    pub fn new(peers: &[PeerSpec]) -> Self {
        let peers = peers.iter().filter(|peer| !peer.parameters.backup).map(|peer| NginxPeer {
            address: String::from_utf8(peer.socket_address.to_vec()).expect("text"),
            server: peer.server.to_string(),
            weight: peer.parameters.weight,
            down: peer.parameters.down,
            has_failed: false,
            is_full: false,
        });
        Self { peers: peers.collect(), points: Vec::new() }
    }

    /// `ngx_http_upstream_update_chash`.
    pub fn update_chash(&mut self) {
        for peer in &self.peers {
            let server = peer.server.as_bytes();
            let (mut host, mut port) = (server, &b""[..]);
            if server.len() >= 5 && server[..5].eq_ignore_ascii_case(b"unix:") {
                host = &server[5..];
            } else {
                for j in 0..server.len() {
                    let c = server[server.len() - j - 1];
                    if c == b':' {
                        (host, port) =
                            (&server[..server.len() - j - 1], &server[server.len() - j..]);
                        break;
                    }
                    if !c.is_ascii_digit() {
                        break;
                    }
                }
            }
            let mut previous = [0; 4];
            for _ in 0..peer.weight * 160 {
                let hash = crc32(&[host, b"\0", port, &previous]);
                self.points.push((hash, peer.server.clone()));
                previous = hash.to_le_bytes();
            }
        }
        self.points.sort_by_key(|&(hash, _)| hash);
        self.points.dedup_by_key(|&mut (hash, _)| hash);
    }

    /// `ngx_http_upstream_init_chash_peer` with `ngx_http_upstream_find_chash_point`.
    fn init_chash(&self, key: &[u8]) -> NginxRequest {
        let hash = crc32(&[key]);
        let (mut i, mut j) = (0, self.points.len());
        while i < j {
            let k = (i + j) / 2;
            match hash.cmp(&self.points[k].0) {
                std::cmp::Ordering::Greater => i = k + 1,
                std::cmp::Ordering::Less => j = k,
                std::cmp::Ordering::Equal => return NginxRequest::new(k as u32),
            }
        }
        NginxRequest::new(i as u32)
    }

    pub fn may_serve(&self, request: &NginxRequest, index: usize) -> bool {
        let peer = &self.peers[index];
        !request.tried.contains(&index) && !peer.down && !peer.has_failed && !peer.is_full
    }

    /// `ngx_http_upstream_get_chash_peer`: the peers of which it takes one; none where round robin
    /// goes on.
    fn get_chash(&self, request: &mut NginxRequest) -> Vec<usize> {
        if request.tries > TRIES {
            return Vec::new();
        }
        loop {
            let (_, server) = &self.points[request.hash as usize % self.points.len()];
            let of_server: Vec<usize> = (0..self.peers.len())
                .filter(|&index| {
                    self.may_serve(request, index) && self.peers[index].server == *server
                })
                .collect();
            if !of_server.is_empty() {
                return of_server;
            }
            request.hash += 1;
            if request.is_lost() {
                return Vec::new();
            }
        }
    }

    /// The walk through the weights that `hash` and `ip_hash` have in common.
    fn walk(&self, hash: u32) -> usize {
        let total: u32 = self.peers.iter().map(|peer| peer.weight).sum();
        let (mut w, mut p) = (hash % total, 0);
        while w >= self.peers[p].weight {
            w -= self.peers[p].weight;
            p += 1;
        }
        p
    }

    /// `ngx_http_upstream_get_hash_peer`.
    fn get_hash(&self, request: &mut NginxRequest, key: &[u8]) -> Vec<usize> {
        if request.tries > TRIES {
            return Vec::new();
        }
        loop {
            let rehash =
                if request.rehash > 0 { request.rehash.to_string() } else { String::new() };
            let hash = (crc32(&[rehash.as_bytes(), key]) >> 16) & 0x7fff;
            request.hash = request.hash.wrapping_add(hash);
            request.rehash += 1;
            let peer = self.walk(request.hash);
            if self.may_serve(request, peer) {
                return vec![peer];
            }
            if request.is_lost() {
                return Vec::new();
            }
        }
    }

    /// `ngx_http_upstream_get_ip_hash_peer`. The hash is kept from try to try only where a peer was
    /// found, as there.
    fn get_ip_hash(&self, request: &mut NginxRequest, address: &[u8]) -> Vec<usize> {
        if request.tries > TRIES {
            return Vec::new();
        }
        let mut hash = request.hash;
        loop {
            for &byte in address {
                hash = (hash * 113 + u32::from(byte)) % 6271;
            }
            let peer = self.walk(hash);
            if self.may_serve(request, peer) {
                request.hash = hash;
                return vec![peer];
            }
            if request.is_lost() {
                return Vec::new();
            }
        }
    }

    pub fn get(&self, method: Method, request: &mut NginxRequest, key: &[u8]) -> Vec<usize> {
        match method {
            Method::Hash => self.get_hash(request, key),
            Method::IpHash => self.get_ip_hash(request, key),
            _ => self.get_chash(request),
        }
    }

    pub fn request(&self, method: Method, key: &[u8]) -> NginxRequest {
        match method {
            Method::Hash => NginxRequest::new(0),
            Method::IpHash => NginxRequest::new(89),
            _ => self.init_chash(key),
        }
    }

    pub fn is_backup(&self, address: &str) -> bool {
        self.peers.iter().all(|peer| peer.address != address)
    }
}
