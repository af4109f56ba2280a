"""Small modules that take every turn at which counters differ, for tests of the audit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Convolutions(nn.Module):
    """Grouped, transposed and padded convolutions, norms, pooling, resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2)
        self.depth = nn.Conv2d(4, 4, (3, 5), padding=(1, 2), groups=4)
        self.norm = nn.GroupNorm(2, 4)
        self.batch = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.max = nn.MaxPool2d(2)
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear")
        self.line = nn.Conv1d(4, 6, 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.depth(self.batch(self.up(x)))))
        y = self.pool(self.resize(self.max(y)))
        z = F.interpolate(y, scale_factor=2.0, mode="nearest")
        return self.line(y.flatten(2)).sum() + z.mean()


class Products(nn.Module):
    """Broadcast products, einsum, elementwise functions by name, one Linear in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(4, 4)
        self.one = nn.Sequential(self.shared, nn.GELU())
        self.two = nn.Sequential(self.shared, nn.Softmax(-1))

    def forward(self, t: Tensor) -> Tensor:
        n = t.shape[1]
        t = self.one(t) + self.two(t)
        m = torch.matmul(t[:, None], torch.ones(3, 4, 5))
        e = torch.einsum("bnc,bmc->bnm", t, t)
        g = torch.einsum("bnc,cd->bnd", t, torch.ones(4, 7))
        z = torch.mul(e, 2.0) + torch.add(e, torch.ones(n, 1)).mul(torch.ones(n))
        z = torch.bmm(z, t) + torch.baddbmm(t, z, t) + z @ t
        return z.sum() + m.sum() + g.sum() + torch.addmm(t[0], e[0], t[0]).sum()


class Recurrent(nn.Module):
    """Layers of recurrent networks, and one cell."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(12, 4, bias=False)
        self.rnn = nn.RNN(4, 3, batch_first=True)
        self.cell = nn.LSTMCell(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.rnn(self.gru(self.lstm(x)[0])[0])[0]
        return self.cell(y[:, 0])[0]


class Twice(nn.Module):
    """One block in two places."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
        self.one = nn.ModuleList([block, nn.Identity()])
        self.two = nn.ModuleList([block])

    def forward(self, x: Tensor) -> Tensor:
        return self.two[0](self.one[0](x))


class Fused(nn.Module):
    """Torch's own layers of attention, which take other ways without autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2)
        self.words = nn.Embedding(50, 16)

    def forward(self, ids: Tensor) -> Tensor:
        y = self.layer(self.words(ids)).transpose(0, 1)
        return self.attention(y, y[:3], y[:3], need_weights=True)[0]


class Lines(nn.Module):
    """Norms, activations and a bilinear form in one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, padding=1)
        self.steps = nn.Sequential(
            nn.InstanceNorm1d(8, affine=True),
            nn.BatchNorm1d(8, affine=False),
            nn.PReLU(),
            nn.LeakyReLU(),
            nn.ReLU6(),
            nn.ELU(),
            nn.SiLU(),
            nn.AvgPool1d(2),
            nn.LayerNorm(3),
        )
        self.form = nn.Bilinear(3, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.steps(self.conv(x))
        return self.form(y, y)


class ListOfOperands(nn.Module):
    """An einsum spelled in a way that some counters cannot read."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.linear(x))
        return torch.einsum("nc,mc->nm", [y, y])


class Unpriced(nn.Module):
    """An operator that nobody here can price."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(self.linear(x)).real


ZOO = {
    "Convolutions": "2,6,8,8",
    "Products": "2,9,4",
    "Recurrent": "3,7,5",
    "Twice": "2,5,4",
    "Fused": "2,7:long",
    "Lines": "2,4,6",
}
"""Each with an input."""
