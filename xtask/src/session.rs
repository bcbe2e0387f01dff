//! One run of the tests: the checkout, and the one LocalStack that all its parts share.

use std::cell::RefCell;

use crate::checkout::Checkout;
use crate::emulator::{Emulator, Kind};

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) checkout: Checkout,
    localstack: RefCell<Option<Emulator>>,
}

impl Session {
    pub(crate) fn new(checkout: Checkout) -> Self {
        Self { checkout, localstack: RefCell::new(None) }
    }

    /// The address of LocalStack, started by whoever asks first.
    pub(crate) fn localstack(&self) -> Result<String, String> {
        let mut localstack = self.localstack.borrow_mut();
        if localstack.is_none() {
            *localstack = Some(Kind::Localstack.start(&self.checkout)?);
        }
        Ok(localstack.iter().map(|emulator| emulator.address.clone()).collect())
    }

    /// Ends what it started.
    ///
    /// # Errors
    /// It had to be killed.
    pub(crate) fn end(self) -> Result<(), String> {
        self.localstack.into_inner().map_or(Ok(()), Emulator::end)
    }
}
