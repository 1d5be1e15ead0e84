//! The conductance converter of a noise model.

use std::sync::Arc;

use super::form::class::classes;
use crate::noise::{Converter, CustomPair, DualPair, Fusion, NPair, SingleDevice, SinglePair};

classes! {
    /// Conductance converters: how a weight is split over the devices of its unit cell; the parameter `g_converter` of
    /// the noise models.
    ///
    /// ```
    /// use ohmgrad_analog::config::InferenceRpuConfig;
    /// use ohmgrad_analog::noise::{Pcm, SinglePair};
    ///
    /// let pair = SinglePair { g_max: 20.0, g_min: 0.5 };
    /// let config = InferenceRpuConfig {
    ///     noise_model: Pcm { g_converter: Some(pair.into()), ..Default::default() }.into(),
    ///     ..Default::default()
    /// };
    /// let text = r#"
    ///     [noise_model.g_converter]
    ///     type = "SinglePairConductanceConverter"
    ///     g_max = 20.0
    ///     g_min = 0.5
    /// "#;
    /// assert_eq!(InferenceRpuConfig::from_toml_str(text)?, config);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    #[doc(alias = "BaseConductanceConverter")]
    pub enum ConverterConfig of Converter {
        /// One pair of devices, one for positive and one for negative weights.
        SinglePair(SinglePair) = "SinglePairConductanceConverter",
        /// Two pairs of different significance.
        DualPair(DualPair) = "DualPairConductanceConverter",
        /// Any number of pairs of different significance.
        NPair(NPair) = "NPairConductanceConverter",
        /// Pairs of devices whose conductances are given by tables.
        CustomPair(CustomPair) = "CustomPairConductanceConverter",
        /// One device for both signs.
        SingleDevice(SingleDevice) = "SingleDeviceConductanceConverter",
        /// One device and a sign, for the Fusion chip.
        Fusion(Fusion) = "FusionConductanceConverter",
    }
}

impl ConverterConfig {
    /// The converter, shared.
    pub(crate) fn shared(&self) -> Arc<dyn Converter> {
        match self {
            Self::SinglePair(converter) => Arc::new(*converter),
            Self::DualPair(converter) => Arc::new(converter.clone()),
            Self::NPair(converter) => Arc::new(converter.clone()),
            Self::CustomPair(converter) => Arc::new(converter.clone()),
            Self::SingleDevice(converter) => Arc::new(*converter),
            Self::Fusion(converter) => Arc::new(*converter),
            Self::Custom(converter) => converter.clone(),
        }
    }

    /// The converter.
    pub fn converter(&self) -> &dyn Converter {
        self.object().expect("there is no variant without one")
    }
}

/// A single pair, 0 … 25 µS.
impl Default for ConverterConfig {
    fn default() -> Self {
        SinglePair::default().into()
    }
}
