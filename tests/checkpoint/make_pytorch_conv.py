"""Writes pytorch_conv.safetensors, a small trained-looking convolutional network, and prints its outputs for a ramp."""

import torch
from safetensors.torch import save_file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.bn1 = torch.nn.BatchNorm2d(4)
        self.conv2 = torch.nn.Conv2d(4, 6, 3, stride=2, groups=2)
        self.fc = torch.nn.Linear(6, 2)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.fc(self.conv2(x).flatten(1))


torch.manual_seed(2)
net = Net()
for _ in range(3):  # running statistics that are neither 0 nor 1
    net(torch.randn(8, 1, 4, 4) + 1)
net.eval()
save_file(net.state_dict(), "pytorch_conv.safetensors")
x = torch.arange(32.0).reshape(2, 1, 4, 4) / 16 - 1
print(net(x).flatten().tolist(), net.bn1.num_batches_tracked)
