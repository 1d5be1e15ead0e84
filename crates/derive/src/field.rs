//! The attributes of a field.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, LitStr, Member, Result};

/// The path of a field's parameters.
enum Place {
    /// A name below the path of the struct.
    Under(String),
    /// The path of the struct.
    Flat,
}

/// A field that is visited.
pub struct Field<'a> {
    pub member: Member,
    ty: &'a syn::Type,
    place: Place,
    buffer: bool,
}

impl<'a> Field<'a> {
    /// Reads a field's attributes; `None` if it is skipped.
    pub fn new(member: Member, field: &'a syn::Field) -> Result<Option<Self>> {
        let (mut skip, mut buffer, mut place) = (false, false, None);
        for attribute in visit_attributes(&field.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    skip = true;
                } else if meta.path.is_ident("buffer") {
                    buffer = true;
                } else if meta.path.is_ident("flatten") && place.is_none() {
                    place = Some(Place::Flat);
                } else if meta.path.is_ident("rename") && place.is_none() {
                    place = Some(Place::Under(meta.value()?.parse::<LitStr>()?.value()));
                } else if meta.path.is_ident("flatten") || meta.path.is_ident("rename") {
                    return Err(meta.error("a field has one place: one of flatten and rename"));
                } else {
                    return Err(meta.error("unknown; a field can have skip, buffer, flatten, rename = \"…\""));
                }
                Ok(())
            })?;
        }
        if skip && (buffer || place.is_some()) {
            return Err(Error::new(field.span(), "a field that is skipped has no place and is no buffer"));
        }
        let name = || match &member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let place = place.unwrap_or_else(|| Place::Under(name()));
        Ok((!skip).then_some(Self { member, ty: &field.ty, place, buffer }))
    }

    /// The code that visits the field, which is bound to `value`, with `method` (`visit` or `visit_mut`), whose slots
    /// have the type `slot`.
    pub fn visit(&self, value: &Ident, method: &TokenStream, slot: &TokenStream, root: &TokenStream) -> TokenStream {
        let ty = self.ty;
        let path = match &self.place {
            Place::Under(name) => quote!(&#root::join(path, #name)),
            Place::Flat => quote!(path),
        };
        // Errors about the type of a field point at it.
        match self.buffer {
            true => {
                let value = Ident::new(&value.to_string(), ty.span().resolved_at(value.span()));
                quote!(f(#path, #root::#slot::Buffer(#value));)
            }
            false => quote!(<#ty as #root::Visit>::#method(#value, #path, f);),
        }
    }

    /// Returns `true` if a visit of the field requires that a type parameter implements `Visit`.
    pub fn needs(&self, parameter: &Ident) -> bool {
        !self.buffer && mentions(self.ty.to_token_stream(), parameter)
    }
}

fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The `#[visit(…)]` among attributes.
fn visit_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("visit"))
}

/// Returns `true` if a type has the attribute `#[visit(skip)]`.
pub fn skips_all(attributes: &[Attribute]) -> Result<bool> {
    let mut skip = false;
    for attribute in visit_attributes(attributes) {
        attribute.parse_nested_meta(|meta| {
            skip = meta.path.is_ident("skip");
            if skip { Ok(()) } else { Err(meta.error("unknown; a type can have skip only")) }
        })?;
    }
    Ok(skip)
}
