//! Digital layers and losses, as PyTorch computes them.

use std::collections::BTreeMap;

use ohmgrad::autograd::{Param, Tape, Var};
use ohmgrad::models::{
    Activation, AdaptiveAvgPool, AvgPool, BatchNorm, Cell, Conv, Embedding, Flatten, Gru, LayerNorm, Linear, Lstm,
    MaxPool, Module, MultiHeadAttention, Network, Recurrent, RecurrentOptions, Rnn, SlotMut, TransformerEncoderLayer,
    Visit,
};
use ohmgrad::tensor::pool::PoolWindow;
use ohmgrad::tensor::{Key, Tensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::conformance::Case;
use crate::conformance::compare::{Check, near};
use crate::conformance::numbers::Numbers;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Kind {
    Layer {
        layer: String,
        mode: Mode,
        args: Args,
        params: BTreeMap<String, Numbers>,
        input: Numbers,
        /// The state that a recurrent layer begins with, an entry for each of its arrays; zeros if there is none.
        #[serde(default)]
        initial_state: Vec<Numbers>,
        output_gradient: Numbers,
        expected: Results,
    },
    Loss {
        loss: String,
        args: Args,
        input: Numbers,
        target: Numbers,
        expected: LossResults,
    },
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Train,
    Eval,
}

#[derive(Deserialize)]
struct Results {
    output: Numbers,
    gradients: BTreeMap<String, Numbers>,
    /// Row numbers have none.
    input_gradient: Option<Numbers>,
    /// Of recurrent layers, for each array [layers·directions, batch, width].
    #[serde(default)]
    state: Vec<Numbers>,
    /// The gradients of the initial state.
    #[serde(default)]
    state_gradients: Vec<Numbers>,
    #[serde(default)]
    buffers_after: BTreeMap<String, Numbers>,
}

#[derive(Deserialize)]
struct LossResults {
    loss: Numbers,
    input_gradient: Numbers,
}

pub fn check(case: &Case) -> Result<Check, String> {
    let mut check = Check::default();
    match case.parse()? {
        Kind::Layer { layer, mode, args, params, input, initial_state, output_gradient, expected } => {
            let mut layer = args.all(|args| build(&layer, mode, args))?;
            load(&mut *layer, params)?;
            let tape = Tape::train(case.key());
            let x = tape.variable(input.tensor());
            let first: Vec<_> = initial_state.iter().map(|part| tape.variable(part.tensor())).collect();
            let (y, state) = layer.run(x, &first)?;
            near(&mut check, "output", &y.value(), &expected.output)?;
            for (i, expected) in expected.state.iter().enumerate() {
                let part = state.get(i).ok_or_else(|| format!("there is no state {i}"))?;
                near(&mut check, &format!("state {i}"), &part.value(), expected)?;
            }
            let gradients = y.backward_from(output_gradient.tensor());
            if let Some(expected) = &expected.input_gradient {
                near(&mut check, "input gradient", gradients.wrt(x).ok_or("no input gradient")?, expected)?;
            }
            for (i, expected) in expected.state_gradients.iter().enumerate() {
                let gradient = first.get(i).and_then(|part| gradients.wrt(*part));
                let gradient = gradient.ok_or_else(|| format!("no gradient of initial state {i}"))?;
                near(&mut check, &format!("gradient of initial state {i}"), gradient, expected)?;
            }
            let parameters = layer.parameters().into_iter();
            let found = parameters.filter_map(|(name, param)| Some((name, gradients.of(param)?.clone()))).collect();
            compare(&mut check, "gradient of ", "", &found, &expected.gradients)?;
            layer.apply(gradients.state());
            let buffers = layer.buffers().into_iter();
            let found = buffers.map(|(name, buffer)| (name, buffer.value.clone())).collect();
            compare(&mut check, "", " after the call", &found, &expected.buffers_after)?;
        }
        Kind::Loss { loss, args, input, target, expected } => {
            let tape = Tape::train(case.key());
            let x = tape.variable(input.tensor());
            let loss = args.all(|args| apply(&loss, x, &target, args))?;
            near(&mut check, "loss", &loss.value(), &expected.loss)?;
            let gradients = loss.backward();
            let gradient = gradients.wrt(x).ok_or("no input gradient")?;
            near(&mut check, "input gradient", gradient, &expected.input_gradient)?;
        }
    }
    Ok(check)
}

fn compare(
    check: &mut Check,
    before: &str,
    after: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<String, Numbers>,
) -> Result<(), String> {
    for (name, expected) in expected {
        let what = format!("{before}{name}{after}");
        near(check, &what, found.get(name).ok_or_else(|| format!("there is no {what}"))?, expected)?;
    }
    Ok(())
}

/// A layer, and the state that it begins and ends with if it is recurrent.
trait Layer: Visit {
    fn run<'t>(&self, x: Var<'t>, first: &[Var<'t>]) -> Result<(Var<'t>, Vec<Var<'t>>), String>;
}

impl Layer for Box<dyn Module> {
    fn run<'t>(&self, x: Var<'t>, first: &[Var<'t>]) -> Result<(Var<'t>, Vec<Var<'t>>), String> {
        match first {
            [] => Ok((self.forward(x), vec![])),
            _ => Err("initial_state: the layer has no state".into()),
        }
    }
}

impl<C: Cell<N>, const N: usize> Layer for Recurrent<C, N> {
    fn run<'t>(&self, x: Var<'t>, first: &[Var<'t>]) -> Result<(Var<'t>, Vec<Var<'t>>), String> {
        let first = match first {
            [] => None,
            _ => Some(first.try_into().map_err(|_| format!("initial_state: {} arrays, not {N}", first.len()))?),
        };
        let (y, state) = self.forward_with_state(x, first);
        Ok((y, state.to_vec()))
    }
}

fn plain(module: impl Module + 'static) -> Box<dyn Layer> {
    Box::new(Box::new(module) as Box<dyn Module>)
}

fn build(layer: &str, mode: Mode, args: &mut Args) -> Result<Box<dyn Layer>, String> {
    Ok(match layer {
        "linear" => plain(args.linear()?),
        "flatten" => plain(Flatten),
        "relu" => plain(Activation::Relu),
        "leaky_relu" => plain(Activation::LeakyRelu(args.get("negative_slope")?.unwrap_or(0.01))),
        "elu" => plain(Activation::Elu(args.get("alpha")?.unwrap_or(1.0))),
        "gelu" => plain(Activation::Gelu),
        "silu" => plain(Activation::Silu),
        "softplus" => plain(Activation::Softplus),
        "sigmoid" => plain(Activation::Sigmoid),
        "tanh" => plain(Activation::Tanh),
        "softmax" => plain(Activation::Softmax),
        "log_softmax" => plain(Activation::LogSoftmax),
        "max_pool1d" => plain(MaxPool { windows: args.windows::<1>()? }),
        "max_pool2d" => plain(MaxPool { windows: args.windows::<2>()? }),
        "max_pool3d" => plain(MaxPool { windows: args.windows::<3>()? }),
        "avg_pool1d" => plain(args.avg_pool::<1>()?),
        "avg_pool2d" => plain(args.avg_pool::<2>()?),
        "avg_pool3d" => plain(args.avg_pool::<3>()?),
        "adaptive_avg_pool1d" => {
            plain(AdaptiveAvgPool::<1> { output: args.sizes("output_size")?.ok_or("no output_size")? })
        }
        "adaptive_avg_pool2d" => {
            plain(AdaptiveAvgPool::<2> { output: args.sizes("output_size")?.ok_or("no output_size")? })
        }
        "adaptive_avg_pool3d" => {
            plain(AdaptiveAvgPool::<3> { output: args.sizes("output_size")?.ok_or("no output_size")? })
        }
        "batch_norm1d" => plain(args.batch_norm::<1>(mode)?),
        "batch_norm2d" => plain(args.batch_norm::<2>(mode)?),
        "batch_norm3d" => plain(args.batch_norm::<3>(mode)?),
        "layer_norm" => plain(args.layer_norm()?),
        "embedding" => plain(args.embedding()?),
        "rnn" => Box::new(match args.get::<String>("nonlinearity")?.as_deref() {
            None | Some("tanh") => args.recurrent(Rnn::new)?,
            Some("relu") => args.recurrent(Rnn::new)?.with_relu(),
            Some(other) => return Err(format!("unknown nonlinearity `{other}`")),
        }),
        "lstm" => Box::new(args.recurrent(Lstm::new)?),
        "gru" => Box::new(args.recurrent(Gru::new)?),
        "attention" => plain(args.attention()?),
        "transformer_encoder_layer" => plain(args.transformer_encoder_layer()?),
        "conv1d" => plain(args.conv::<1>()?),
        "conv2d" => plain(args.conv::<2>()?),
        "conv3d" => plain(args.conv::<3>()?),
        _ => return Err(format!("unknown layer `{layer}`")),
    })
}

fn apply<'t>(loss: &str, x: Var<'t>, target: &Numbers, args: &mut Args) -> Result<Var<'t>, String> {
    let same_shape = || x.tape().constant(target.tensor());
    let labels = || target.values.iter().map(|&label| label as usize).collect::<Vec<_>>();
    Ok(match loss {
        "mse" => x.mse(same_shape()),
        "l1" => x.l1(same_shape()),
        "huber" => x.huber(same_shape(), args.get("delta")?.unwrap_or(1.0)),
        "bce_with_logits" => x.bce_with_logits(same_shape()),
        "cross_entropy" => x.cross_entropy(&labels()),
        "nll" => x.nll(&labels()),
        _ => return Err(format!("unknown loss `{loss}`")),
    })
}

/// Sets parameters and buffers by their names in a state dict.
fn load(layer: &mut dyn Layer, mut params: BTreeMap<String, Numbers>) -> Result<(), String> {
    let counted = params.contains_key("num_batches_tracked");
    let mut set = |name: &str, param: &mut Param| match params.remove(name) {
        Some(value) if value.shape == param.value.shape() => {
            param.value = value.tensor();
            Ok(())
        }
        Some(value) => Err(format!("params: `{name}` is {:?}, not {:?}", param.value.shape(), value.shape)),
        None => Err(format!("params: `{name}` is missing")),
    };
    for (name, param) in layer.parameters_mut() {
        set(&name, param)?;
    }
    for (name, slot) in layer.slots_mut() {
        match slot {
            // Cases of a batch norm with a momentum may leave out the count of batches, which it does not use.
            SlotMut::Buffer(_) if name == "num_batches_tracked" && !counted => {}
            SlotMut::Buffer(buffer) => set(&name, buffer)?,
            SlotMut::Param(_) | SlotMut::Affine(_) => {}
        }
    }
    params.keys().next().map_or(Ok(()), |name| Err(format!("params: the layer has no `{name}`")))
}

/// Arguments under PyTorch's names; unused ones are errors.
#[derive(Deserialize)]
struct Args(Map<String, Value>);

impl Args {
    /// The result of `f` on the arguments, if it uses all of them.
    fn all<T>(mut self, f: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let made = f(&mut self)?;
        self.0.keys().next().map_or(Ok(made), |name| Err(format!("unknown argument `{name}`")))
    }

    fn get<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        let value = self.0.remove(name).unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| format!("argument `{name}`: {error}"))
    }

    fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        self.get(name)?.ok_or_else(|| format!("argument `{name}` is missing"))
    }

    /// A number for all axes, or one each.
    fn sizes<const N: usize>(&mut self, name: &str) -> Result<Option<[usize; N]>, String> {
        let Some(numbers) = self.get::<Numbers>(name)? else { return Ok(None) };
        let sizes = numbers.values.iter().map(|&n| n as usize).collect::<Vec<_>>();
        match sizes[..] {
            [size] if numbers.shape.is_empty() => Ok(Some([size; N])),
            _ => sizes.try_into().map(Some).map_err(|sizes| format!("argument `{name}`: {sizes:?} for {N} axes")),
        }
    }

    fn windows<const N: usize>(&mut self) -> Result<[PoolWindow; N], String> {
        let kernel = self.sizes::<N>("kernel_size")?.ok_or("no kernel_size")?;
        let mut pool = MaxPool::new(kernel);
        if let Some(stride) = self.sizes::<N>("stride")? {
            pool = pool.with_stride(stride);
        }
        if let Some(padding) = self.sizes::<N>("padding")? {
            pool = pool.with_padding(padding);
        }
        if let Some(dilation) = self.sizes::<N>("dilation")? {
            pool = pool.with_dilation(dilation);
        }
        if self.get("ceil_mode")?.unwrap_or(false) {
            pool = pool.with_ceil_mode();
        }
        Ok(pool.windows)
    }

    fn avg_pool<const N: usize>(&mut self) -> Result<AvgPool<N>, String> {
        let count_include_pad = self.get("count_include_pad")?.unwrap_or(true);
        Ok(AvgPool { windows: self.windows()?, count_include_pad })
    }

    fn linear(&mut self) -> Result<Linear, String> {
        let layer = Linear::new(self.need("in_features")?, self.need("out_features")?, Key::new(0));
        Ok(if self.get("bias")?.unwrap_or(true) { layer } else { layer.without_bias() })
    }

    fn conv<const N: usize>(&mut self) -> Result<Conv<N>, String> {
        let kernel = self.sizes("kernel_size")?.ok_or("no kernel_size")?;
        let groups = self.get("groups")?.unwrap_or(1);
        let (ins, outs) = (self.need("in_channels")?, self.need("out_channels")?);
        let layer = Conv::grouped(ins, outs, kernel, groups, Key::new(0))
            .with_stride(self.sizes("stride")?.unwrap_or([1; N]))
            .with_padding(self.sizes("padding")?.unwrap_or([0; N]))
            .with_dilation(self.sizes("dilation")?.unwrap_or([1; N]));
        Ok(if self.get("bias")?.unwrap_or(true) { layer } else { layer.without_bias() })
    }

    fn batch_norm<const N: usize>(&mut self, mode: Mode) -> Result<BatchNorm<N>, String> {
        let mut layer = BatchNorm::new(self.need("num_features")?);
        layer.eps = self.get("eps")?.unwrap_or(layer.eps);
        if let Some(momentum) = self.0.remove("momentum") {
            layer.momentum =
                serde_json::from_value(momentum).map_err(|error| format!("argument `momentum`: {error}"))?;
        }
        // Evaluation tapes have no gradients; frozen statistics give the same outputs on a training tape.
        layer.frozen = mode == Mode::Eval;
        if !self.get("affine")?.unwrap_or(true) {
            layer = layer.without_affine();
        }
        Ok(if self.get("track_running_stats")?.unwrap_or(true) { layer } else { layer.without_running() })
    }

    fn layer_norm(&mut self) -> Result<LayerNorm, String> {
        let shape: Numbers = self.need("normalized_shape")?;
        let mut layer = LayerNorm::new(&shape.values.iter().map(|&n| n as usize).collect::<Vec<_>>());
        layer.eps = self.get("eps")?.unwrap_or(layer.eps);
        if !self.get("elementwise_affine")?.unwrap_or(true) {
            layer = layer.without_affine();
        }
        Ok(if self.get("bias")?.unwrap_or(true) { layer } else { layer.without_bias() })
    }

    fn embedding(&mut self) -> Result<Embedding, String> {
        let layer = Embedding::new(self.need("num_embeddings")?, self.need("embedding_dim")?, Key::new(0));
        Ok(Embedding { padding: self.get("padding_idx")?, ..layer })
    }

    fn attention(&mut self) -> Result<MultiHeadAttention, String> {
        let mut layer = MultiHeadAttention::new(self.need("embed_dim")?, self.need("num_heads")?, Key::new(0));
        layer.causal = self.get("causal")?.unwrap_or(false);
        Ok(if self.get("bias")?.unwrap_or(true) { layer } else { layer.without_bias() })
    }

    fn transformer_encoder_layer(&mut self) -> Result<TransformerEncoderLayer, String> {
        let [width, heads, hidden] = [self.need("d_model")?, self.need("nhead")?, self.need("dim_feedforward")?];
        let mut layer = TransformerEncoderLayer::new(width, heads, hidden, Key::new(0));
        layer.norm_first = self.get("norm_first")?.unwrap_or(false);
        layer.norm1.eps = self.get("layer_norm_eps")?.unwrap_or(layer.norm1.eps);
        layer.norm2.eps = layer.norm1.eps;
        layer.activation = match self.get::<String>("activation")?.as_deref() {
            None | Some("relu") => Activation::Relu,
            Some("gelu") => Activation::Gelu,
            Some(other) => return Err(format!("unknown activation `{other}`")),
        };
        Ok(layer)
    }

    fn recurrent<R>(&mut self, new: fn(usize, usize, RecurrentOptions, Key) -> R) -> Result<R, String> {
        let usual = RecurrentOptions::default();
        let options = RecurrentOptions {
            layers: self.get("num_layers")?.unwrap_or(usual.layers),
            bias: self.get("bias")?.unwrap_or(usual.bias),
            batch_first: self.get("batch_first")?.unwrap_or(usual.batch_first),
            dropout: self.get("dropout")?.unwrap_or(usual.dropout),
            bidirectional: self.get("bidirectional")?.unwrap_or(usual.bidirectional),
            projection: self.get("proj_size")?.filter(|&width| width > 0),
            gates: usual.gates,
        };
        Ok(new(self.need("input_size")?, self.need("hidden_size")?, options, Key::new(0)))
    }
}
