"""Writes pytorch.safetensors, the same weights as pytorch_{f64,f16,bf16}.safetensors, and prints inputs and outputs."""

import torch
from safetensors.torch import save_file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(3, 4)
        self.layers = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(4, 2))

    def forward(self, x):
        return self.layers(self.hidden(x))


torch.manual_seed(1)
net = Net()
x = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [-3.0, 0.25, 1.0]])
types = {"": torch.float32, "_f64": torch.float64, "_f16": torch.float16, "_bf16": torch.bfloat16}
for suffix, dtype in types.items():
    state = {name: value.to(dtype) for name, value in net.state_dict().items()}
    save_file(state, f"pytorch{suffix}.safetensors")
    rounded = Net()
    rounded.load_state_dict({name: value.float() for name, value in state.items()})
    print(dtype, rounded(x).tolist())
