//! `#[derive(Visit)]`, as `ohmgrad` and `ohmgrad-models` export it beside the trait of that name.
//!
//! A crate that depends on `ohmgrad` names the trait by another path than one that depends on `ohmgrad-models`, and a
//! macro can't see which of them its user has. So there is one derive for each, and each of the two crates exports its
//! own.
#![forbid(unsafe_code)]

mod expand;
mod field;

use proc_macro::TokenStream;
use quote::quote;

#[doc = include_str!("visit.md")]
#[proc_macro_derive(Visit, attributes(visit))]
pub fn visit(input: TokenStream) -> TokenStream {
    expand::derive(input.into(), &quote!(::ohmgrad_models)).into()
}

#[doc = include_str!("visit.md")]
#[proc_macro_derive(FacadeVisit, attributes(visit))]
pub fn facade_visit(input: TokenStream) -> TokenStream {
    expand::derive(input.into(), &quote!(::ohmgrad::models)).into()
}
