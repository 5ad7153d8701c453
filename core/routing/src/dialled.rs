//! A dialled number in all of its forms.

use tandem_model::{Digits, Tenant};

/// Digits of a service's number at most.
const LONGEST_SERVICE: usize = 6;

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

    /// What it is as a number, with its country code first.
    pub fn numbers(&self) -> impl Iterator<Item = &Digits> {
        [&self.e164, &self.digits].into_iter().flatten()
    }

    /// What it most likely is as a number with its country code.
    pub fn number(&self) -> Option<&Digits> {
        self.e164.as_ref().or(self.digits.as_ref())
    }

    /// Whether it is as short as a service's number, as 116117.
    pub fn is_service(&self) -> bool {
        self.text.chars().filter(char::is_ascii_digit).count() <= LONGEST_SERVICE
    }

    /// Its forms, as dialled first; a pattern may be written for any of them.
    pub fn forms(&self) -> Vec<String> {
        let bare = self.text.strip_prefix('+').map(str::to_owned);
        let e164 = self.e164.as_ref().map(|digits| format!("+{digits}"));
        let plain = self.e164.as_ref().map(|digits| digits.as_str().to_owned());
        let mut forms = vec![self.text.to_owned()];
        for form in [bare, e164, plain].into_iter().flatten() {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }
}
