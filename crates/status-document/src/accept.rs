//! Which format a client accepts.

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// A page.
    Html,
}

impl Format {
    /// Its media type, as a response has it; without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Prometheus => "text/plain",
            Self::OpenMetrics => "application/openmetrics-text",
            Self::Html => "text/html",
        }
    }

    /// The media type with its parameters.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The values of a media type's parameter `version` that are this format.
    fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Json | Self::Html => &[],
            Self::Prometheus => &["0.0.4"],
            Self::OpenMetrics => &["1.0.0", "0.0.1"],
        }
    }

    /// The format that the header `Accept` prefers: of those with the highest quality the one that
    /// is named most exactly, and of these the first of JSON, HTML, Prometheus and OpenMetrics.
    /// JSON without a header, and if none is accepted.
    pub fn accepted(header: Option<&[u8]>) -> Self {
        let header = String::from_utf8_lossy(header.unwrap_or_default());
        let ranges: Vec<Range<'_>> = header.split(',').filter_map(Range::parse).collect();
        let mut best = (Self::Json, 0, 0);
        for format in [Self::Json, Self::Html, Self::Prometheus, Self::OpenMetrics] {
            let matches = ranges.iter().filter_map(|range| Some((range.exactness(format)?, range)));
            // Of equal ranges the one that likes it more: the versions of a format are several.
            let of_format = matches.max_by_key(|(exactness, range)| (*exactness, range.quality));
            let Some((exactness, range)) = of_format else { continue };
            if range.quality > 0 && (range.quality, exactness) > (best.1, best.2) {
                best = (format, range.quality, exactness);
            }
        }
        best.0
    }
}

/// A part of the header: media types, and how much they are liked.
struct Range<'a> {
    of_type: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (of_type, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { of_type, subtype, version: None, quality: 1_000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("q") {
                range.quality = quality(value);
            } else if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value);
            }
        }
        Some(range)
    }

    /// How exactly it names a format; `None` if it does not.
    fn exactness(&self, format: Format) -> Option<u32> {
        let (of_type, subtype) = format.media_type().split_once('/')?;
        if self.of_type == "*" && self.subtype == "*" {
            return Some(1);
        }
        if !self.of_type.eq_ignore_ascii_case(of_type) {
            return None;
        }
        if self.subtype == "*" {
            return Some(2);
        }
        if !self.subtype.eq_ignore_ascii_case(subtype) {
            return None;
        }
        match self.version {
            Some(version) if !format.versions().is_empty() => {
                format.versions().contains(&version).then_some(4)
            }
            _ => Some(3),
        }
    }
}

/// A quality in thousandths; 0 if it is not a number.
fn quality(text: &str) -> u32 {
    let number: f64 = text.parse().unwrap_or(0.0);
    // Between 0 and 1000.
    (number.clamp(0.0, 1.0) * 1_000.0).round() as u32
}
