"""A module of one's own, for docs/howto/your-module.md: attention within pairs of rows of a grid."""

from torch import Tensor, nn


class PairedRows(nn.Module):
    """Attention in which each token sees its own row and the next, two rows of the grid being one window.

    Shapes: (batch, h, w, C) in and out; an odd row is filled up with zeros.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (batch, h, w, C) in and out."""
        batch, h, w, dim = x.shape
        x = nn.functional.pad(x, (0, 0, 0, 0, 0, h % 2))
        x = x.reshape(-1, 2 * w, dim)
        parts = self.qkv(x).reshape(-1, 2 * w, 3, self.heads, dim // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        x = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        x = self.proj(x.transpose(1, 2).reshape(-1, 2 * w, dim))
        return x.reshape(batch, -1, w, dim)[:, :h]


class Net(nn.Module):
    """A stem, blocks of the attention above, and a classifier."""

    def __init__(self, dim: int = 96, depth: int = 4, heads: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, 4)
        self.blocks = nn.ModuleList(PairedRows(dim, heads) for _ in range(depth))
        self.head = nn.Linear(dim, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (batch, 3, H, W) to (batch, 1000)."""
        x = self.stem(x).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean((1, 2)))
