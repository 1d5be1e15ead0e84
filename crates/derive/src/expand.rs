//! Expansion of a struct or an enum to its implementation of `Visit`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Result, parse_quote};

use crate::field::{Field, skips_all};

/// The implementation of `root::Visit`, or a compile error at the place that is wrong.
pub fn derive(input: TokenStream, root: &TokenStream) -> TokenStream {
    syn::parse2(input).and_then(|input| expand(input, root)).unwrap_or_else(Error::into_compile_error)
}

fn expand(mut input: DeriveInput, root: &TokenStream) -> Result<TokenStream> {
    let variants = match &input.data {
        Data::Struct(data) => vec![(quote!(Self), visited(&data.fields)?)],
        Data::Enum(data) => {
            let names = data.variants.iter().map(|variant| &variant.ident).map(|name| quote!(Self::#name));
            let fields = data.variants.iter().map(|variant| visited(&variant.fields));
            names.zip(fields).map(|(name, fields)| Ok((name, fields?))).collect::<Result<_>>()?
        }
        Data::Union(_) => return Err(Error::new(input.span(), "a union has no fields that can be visited")),
    };
    let variants = if skips_all(&input.attrs)? { vec![] } else { variants };
    let fields = || variants.iter().flat_map(|(_, fields)| fields);
    let bounds: Vec<syn::WherePredicate> = input
        .generics
        .type_params()
        .map(|parameter| &parameter.ident)
        .filter(|parameter| fields().any(|field| field.needs(parameter)))
        .map(|parameter| parse_quote!(#parameter: #root::Visit))
        .collect();
    let walk = |method: TokenStream, slot: TokenStream| {
        let arms = variants.iter().map(|(name, fields)| arm(name, fields, &method, &slot, root));
        match variants.is_empty() {
            true => quote!({}),
            false => quote!({ match self { #(#arms)* } }),
        }
    };
    let visit = walk(quote!(visit), quote!(Slot));
    let visit_mut = walk(quote!(visit_mut), quote!(SlotMut));

    if !bounds.is_empty() {
        input.generics.make_where_clause().predicates.extend(bounds);
    }
    let name = &input.ident;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #root::Visit for #name #arguments #bounds {
            fn visit<'slot>(&'slot self, path: &str, f: &mut dyn ::core::ops::FnMut(&str, #root::Slot<'slot>)) #visit

            fn visit_mut<'slot>(
                &'slot mut self,
                path: &str,
                f: &mut dyn ::core::ops::FnMut(&str, #root::SlotMut<'slot>),
            ) #visit_mut
        }
    })
}

/// The fields that are not skipped.
fn visited(fields: &Fields) -> Result<Vec<Field<'_>>> {
    fields.members().zip(fields).filter_map(|(member, field)| Field::new(member, field).transpose()).collect()
}

/// The visits of the fields of one variant, or of a struct.
fn arm(
    name: &TokenStream,
    fields: &[Field<'_>],
    method: &TokenStream,
    slot: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    let members = fields.iter().map(|field| &field.member);
    let values: Vec<_> = (0..fields.len()).map(|i| format_ident!("field{i}")).collect();
    let visits = fields.iter().zip(&values).map(|(field, value)| field.visit(value, method, slot, root));
    quote!(#name { #(#members: #values,)* .. } => { #(#visits)* })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(input: TokenStream) -> String {
        derive(input, &quote!(::m)).to_string()
    }

    /// The text of a compile error.
    fn refused(input: TokenStream) -> String {
        expand(syn::parse2(input).expect("a type"), &quote!(::m)).expect_err("an attribute is wrong").to_string()
    }

    #[test]
    fn every_field_is_visited_under_its_name() {
        let code = derived(quote! {
            struct Net { hidden: Linear, #[visit(rename = "type")] r#kind: Linear, #[visit(flatten)] rest: Vec<Linear> }
        });
        for visit in [
            quote!(<Linear as ::m::Visit>::visit(field0, &::m::join(path, "hidden"), f)),
            quote!(<Linear as ::m::Visit>::visit_mut(field1, &::m::join(path, "type"), f)),
            quote!(<Vec<Linear> as ::m::Visit>::visit(field2, path, f)),
        ] {
            assert!(code.contains(&visit.to_string()), "{visit} is not in {code}");
        }
    }

    #[test]
    fn fields_are_skipped_or_buffers_where_they_say_so() {
        let code = derived(quote!(
            struct Net(#[visit(skip)] usize, #[visit(buffer)] Param, #[visit(skip)] f32);
        ));
        assert!(code.contains(&quote!(Self { 1: field0, .. }).to_string()), "{code}");
        let buffer = quote!(f(&::m::join(path, "1"), ::m::SlotMut::Buffer(field0)));
        assert!(code.contains(&buffer.to_string()), "{code}");
        assert!(
            !derived(quote!(
                #[visit(skip)]
                enum Kind {
                    A(f32),
                    B,
                }
            ))
            .contains("match")
        );
    }

    #[test]
    fn type_parameters_are_bound_where_they_are_visited() {
        let code = derived(quote!(
            struct Net<M, T, const N: usize> {
                inner: [Option<M>; N],
                #[visit(skip)]
                t: T,
            }
        ));
        let bounds = quote!(for Net<M, T, N> where M: ::m::Visit).to_string();
        assert!(code.contains(&format!("{bounds} {{")), "{code}");
    }

    #[test]
    fn a_wrong_attribute_says_what_is_allowed() {
        assert_eq!(
            refused(quote!(
                struct Net {
                    #[visit(skipp)]
                    n: usize,
                }
            )),
            "unknown; a field can have skip, buffer, flatten, rename = \"…\""
        );
        assert_eq!(
            refused(quote!(
                struct Net {
                    #[visit(flatten, rename = "a")]
                    n: Linear,
                }
            )),
            "a field has one place: one of flatten and rename"
        );
        assert_eq!(
            refused(quote!(
                struct Net {
                    #[visit(skip, buffer)]
                    n: Param,
                }
            )),
            "a field that is skipped has no place and is no buffer"
        );
        assert_eq!(refused(quote!(union Net { a: f32, b: u32 })), "a union has no fields that can be visited");
    }
}
