//! Whole training runs of small networks on tiles.

use std::collections::BTreeMap;

use ohmgrad::analog::InferenceRpuConfig;
use ohmgrad::autograd::{Gradients, Tape, Var};
use ohmgrad::models::{Adam, Conv2d, Module, Network, Optimizer, Sequential, Sgd, Visit};
use ohmgrad::tensor::{Array, Key, Tensor};
use rayon::prelude::*;
use serde::Deserialize;

use crate::conformance::Case;
use crate::conformance::compare::{Check, Expected, Moments};
use crate::conformance::numbers::Numbers;

/// The slack, as a fraction of the largest |mean| + std of an array, because some gradients come from rare events.
const SLACK: f64 = 1e-3;

#[derive(Deserialize)]
struct Training {
    net: Vec<Layer>,
    init: BTreeMap<String, Numbers>,
    config: InferenceRpuConfig,
    loss: Loss,
    optimizer: Rule,
    inputs: Numbers,
    targets: Numbers,
    steps: usize,
    repeats: usize,
    expected: Results,
}

#[derive(Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    Linear {
        #[serde(rename = "in")]
        ins: usize,
        #[serde(rename = "out")]
        outs: usize,
    },
    /// Stride, padding, dilation and groups have PyTorch's defaults unless given.
    Conv2d {
        #[serde(rename = "in")]
        ins: usize,
        #[serde(rename = "out")]
        outs: usize,
        kernel: usize,
        #[serde(default = "one")]
        stride: usize,
        #[serde(default)]
        padding: usize,
        #[serde(default = "one")]
        dilation: usize,
        #[serde(default = "one")]
        groups: usize,
    },
    MaxPool2d {
        kernel: usize,
    },
    AvgPool2d {
        kernel: usize,
    },
    Relu,
    Softplus,
    Sigmoid,
    Tanh,
    Flatten,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    Mse,
    CrossEntropy,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Rule {
    Sgd {
        lr: f32,
        #[serde(default)]
        momentum: f32,
        #[serde(default)]
        nesterov: bool,
        #[serde(default)]
        weight_decay: f32,
    },
    Adam(AdamRule),
    #[serde(rename = "adamw")]
    AdamW(AdamRule),
}

/// Parameters of Adam; those that are left out have PyTorch's defaults.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdamRule {
    lr: f32,
    betas: Option<(f32, f32)>,
    eps: Option<f32>,
    weight_decay: Option<f32>,
}

impl AdamRule {
    fn of(self, usual: fn(f32) -> Adam) -> Box<dyn Optimizer> {
        let mut adam = usual(self.lr);
        adam.betas = self.betas.unwrap_or(adam.betas);
        adam.eps = self.eps.unwrap_or(adam.eps);
        adam.weight_decay = self.weight_decay.unwrap_or(adam.weight_decay);
        Box::new(adam)
    }
}

#[derive(Deserialize)]
struct Results {
    loss: Moments,
    #[serde(rename = "final")]
    trained: BTreeMap<String, Moments>,
    first_gradient_std: Option<Moments>,
}

/// The measures of one run.
struct Run {
    losses: Vec<f32>,
    /// The standard deviation of the first gradients of all weights and biases together.
    gradient_std: f32,
    trained: BTreeMap<String, Tensor>,
}

pub fn check(case: &Case) -> Result<Check, String> {
    let training: Training = case.parse()?;
    let net = network(&training.net, &training.init)?;
    let key = case.key();
    let run = |run: usize| training.run(net.clone(), key.fold(run));
    let runs = (0..training.repeats.max(400)).into_par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
    let Results { loss, trained, first_gradient_std } = &training.expected;
    let mut check = Check::default();
    let mut compare = |what: &str, moments: &Moments, of: &dyn Fn(&Run) -> Tensor| {
        let draws = Array::stack(&runs.iter().map(of).collect::<Vec<_>>(), 0);
        Expected { what, moments, repeats: training.repeats, slack: SLACK }.moments(&mut check, &draws)
    };
    compare("loss", loss, &|run| run.losses.clone().into())?;
    for (name, moments) in trained {
        if !runs[0].trained.contains_key(name) {
            return Err(format!("the network has no `{name}`"));
        }
        compare(name, moments, &|run| run.trained[name].clone())?;
    }
    if let Some(moments) = first_gradient_std {
        compare("first_gradient_std", moments, &|run| Tensor::scalar(run.gradient_std))?;
    }
    Ok(check)
}

/// A digital network with initial parameters by their paths.
pub fn network(layers: &[Layer], init: &BTreeMap<String, Numbers>) -> Result<Sequential, String> {
    let layers = layers.iter().fold(Sequential::new(), |net, layer| match *layer {
        Layer::Linear { ins, outs } => net.linear(ins, outs),
        Layer::Relu => net.relu(),
        Layer::Conv2d { ins, outs, kernel, stride, padding, dilation, groups } => net.layer(
            Conv2d::grouped(ins, outs, [kernel; 2], groups, Key::new(0))
                .with_stride([stride; 2])
                .with_padding([padding; 2])
                .with_dilation([dilation; 2]),
        ),
        Layer::MaxPool2d { kernel } => net.max_pool2d(kernel),
        Layer::AvgPool2d { kernel } => net.avg_pool2d(kernel),
        Layer::Softplus => net.softplus(),
        Layer::Sigmoid => net.sigmoid(),
        Layer::Tanh => net.tanh(),
        Layer::Flatten => net.flatten(),
    });
    let mut net = layers.init(Key::new(0));
    let mut left = init.clone();
    for (name, param) in net.parameters_mut() {
        match left.remove(&name) {
            Some(init) if init.shape == param.value.shape() => param.value = init.tensor(),
            Some(init) => return Err(format!("init: `{name}` is {:?}, not {:?}", param.value.shape(), init.shape)),
            None => return Err(format!("init: `{name}` is missing")),
        }
    }
    left.keys().next().map_or(Ok(net), |name| Err(format!("init: the network has no `{name}`")))
}

impl Training {
    fn run(&self, mut net: Sequential, key: Key) -> Result<Run, String> {
        net.to_analog(&self.config, key.fold("hardware")).map_err(|error| error.to_string())?;
        let mut optimizer = self.optimizer.new_optimizer();
        let mut losses = vec![];
        let mut gradient_std = 0.0;
        for step in 0..self.steps {
            let tape = Tape::train(key.fold("steps").fold(step));
            let loss = self.loss(net.forward(tape.constant(self.inputs.tensor())));
            losses.push(loss.item());
            let gradients = loss.backward();
            if step == 0 {
                gradient_std = spread(&net, &gradients);
            }
            optimizer.step(&mut net, gradients);
        }
        net.to_digital();
        Ok(Run { losses, gradient_std, trained: net.state_dict().into_iter().collect() })
    }

    fn loss<'t>(&self, output: Var<'t>) -> Var<'t> {
        match self.loss {
            Loss::Mse => output.mse(output.tape().constant(self.targets.tensor())),
            Loss::CrossEntropy => {
                let labels: Vec<usize> = self.targets.values.iter().map(|&label| label as usize).collect();
                output.cross_entropy(&labels)
            }
        }
    }
}

impl Rule {
    fn new_optimizer(&self) -> Box<dyn Optimizer> {
        match *self {
            Self::Sgd { lr, momentum, nesterov, weight_decay } => {
                let sgd =
                    if nesterov { Sgd::new(lr).with_nesterov(momentum) } else { Sgd::new(lr).with_momentum(momentum) };
                Box::new(sgd.with_weight_decay(weight_decay))
            }
            Self::Adam(rule) => rule.of(Adam::new),
            Self::AdamW(rule) => rule.of(Adam::decoupled),
        }
    }
}

/// The standard deviation of the gradients of all weights and biases together.
fn spread(net: &Sequential, gradients: &Gradients) -> f32 {
    let mut parameters = net.parameters();
    parameters.retain(|(name, _)| !["out_scaling", "input_range"].iter().any(|other| name.ends_with(other)));
    let gradients = parameters.iter().filter_map(|(_, param)| gradients.of(param));
    Array::concat(&gradients.map(|g| g.reshape(&[g.len()])).collect::<Vec<_>>(), 0).std(1)
}
