//! The layers: fully connected, convolutional, recurrent, normalising, pooling.

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod embedding;
mod layer_norm;
mod linear;
mod pool;
mod positions;
mod recurrent;
mod sequential;
mod sizes;
mod transformer;

pub use activation::{Activation, Dropout, Flatten};
pub use attention::MultiHeadAttention;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, Running};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use embedding::Embedding;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool, AvgPool1d, AvgPool2d, AvgPool3d,
    MaxPool, MaxPool1d, MaxPool2d, MaxPool3d,
};
pub use positions::{LearnedPositions, SinusoidalPositions};
pub use recurrent::{Cell, Gates, Gru, GruCell, Lstm, LstmCell, Recurrent, RecurrentOptions, Rnn, RnnCell};
pub use sequential::{Sequential, SequentialBuilder};
pub use sizes::Sizes;
pub use transformer::TransformerEncoderLayer;
