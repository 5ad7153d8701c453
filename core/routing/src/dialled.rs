//! A dialled number in all of its forms.

use tandem_model::{Digits, Tenant};

/// What was dialled, and what it is with its country code.
pub(crate) struct Dialled<'a> {
    /// As dialled.
    pub text: &'a str,
    /// Digits alone, as far as it is a number.
    pub digits: Option<Digits>,
    /// With its country code, as far as the tenant's numbering plan tells.
    pub e164: Option<Digits>,
}

impl<'a> Dialled<'a> {
    pub fn new(text: &'a str, tenant: Option<&Tenant>) -> Dialled<'a> {
        let digits = Digits::parse(text);
        let e164 = match tenant {
            Some(tenant) => tenant.e164(text),
            None => digits.clone().filter(|_| text.starts_with('+') || text.starts_with("00")),
        };
        Dialled { text, digits, e164 }
    }

    /// Its forms, as dialled first; a pattern may be written for any of them.
    pub fn forms(&self) -> impl Iterator<Item = String> {
        let bare = self.text.strip_prefix('+').map(str::to_owned);
        let e164 = self.e164.as_ref().map(|digits| format!("+{digits}"));
        let plain = self.e164.as_ref().map(|digits| digits.as_str().to_owned());
        let all = std::iter::once(self.text.to_owned()).chain(bare).chain(e164).chain(plain);
        let mut seen: Vec<String> = Vec::new();
        all.filter(move |form| {
            let is_new = !seen.contains(form);
            if is_new {
                seen.push(form.clone());
            }
            is_new
        })
    }
}
