"""Linear algebra, transforms and what is made of diagonals."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..nodes import undressed
from ..sizes import Size, product, value_of
from .moving import along_diagonal
from .registry import Shape, axes_of, broadcast, fits, rule, same, shape_of, some, tensors_in


@rule("""
    linalg_inv inverse linalg_cholesky cholesky matrix_exp linalg_matrix_exp matrix_power linalg_matrix_power
    cholesky_inverse
""")
def as_matrix(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """A square matrix as the first is."""
    return _square(x)


def _square(x: Tensor) -> Shape:
    shape = shape_of(x)
    same(shape[-2], shape[-1], "a square")
    return shape


@rule("linalg_cross")
def cross(x: Tensor, y: Tensor, *, dim: int = -1, **kwargs: Any) -> Shape:
    """Vectors of three."""
    shape = broadcast((shape_of(x), shape_of(y)))
    same(shape[dim], 3)
    return shape


@rule("linalg_pinv pinverse")
def pseudoinverse(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """(…, m, n) to (…, n, m)."""
    *front, m, n = shape_of(x)
    return [*front, n, m]


@rule("linalg_det det logdet")
def determinant(x: Tensor) -> Shape:
    """One number for each square matrix."""
    return _square(x)[:-2]


@rule("linalg_matrix_norm")
def matrix_norm(x: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, **kwargs: Any) -> Shape:
    """One number for each matrix."""
    shape = shape_of(x)
    axes = axes_of(dim, len(shape))
    return [1 if axis in axes else side for axis, side in enumerate(shape) if keepdim or axis not in axes]


@rule("linalg_matrix_rank linalg_cond")
def of_matrix(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """One number for each matrix."""
    return shape_of(x)[:-2]


@rule("linalg_slogdet slogdet")
def logarithm_of_determinant(x: Tensor) -> list[Shape]:
    """Its sign and its logarithm."""
    return [_square(x)[:-2]] * 2


@rule("trace")
def trace(x: Tensor) -> Shape:
    """One number."""
    return []


@rule("linalg_solve")
def solved(a: Tensor, b: Tensor, *, left: bool = True, **kwargs: Any) -> Shape:
    """(…, n, n)⁻¹(…, n, k), or of vectors."""
    matrices, right = _square(a), shape_of(b)
    if len(right) == 1 or len(right) == len(matrices) - 1:
        same(matrices[-1], right[-1])
        return [*broadcast((matrices[:-2], right[:-1])), right[-1]]
    same(matrices[-1], right[-2 if left else -1])
    return [*broadcast((matrices[:-2], right[:-2])), *right[-2:]]


@rule("cholesky_solve")
def solved_by_cholesky(b: Tensor, factor: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """(…, n, n)⁻¹(…, n, k)."""
    left, right = _square(factor), shape_of(b)
    same(left[-1], right[-2])
    return [*broadcast((left[:-2], right[:-2])), *right[-2:]]


@rule("linalg_inv_ex linalg_cholesky_ex")
def with_info(x: Tensor, **kwargs: Any) -> list[Shape]:
    """A square matrix as the first is, and whether it could be had."""
    shape = _square(x)
    return [shape, shape[:-2]]


@rule("linalg_lu_factor linalg_lu_factor_ex")
def factors(x: Tensor, **kwargs: Any) -> list[Shape]:
    """Both factors in one matrix, the rows that changed places, and whether they could be had."""
    *front, m, n = shape_of(x)
    return [[*front, m, n], [*front, _shorter(m, n)], front]


@rule("linalg_lu")
def three_factors(x: Tensor, **kwargs: Any) -> list[Shape]:
    """(…, m, m)(…, m, k)(…, k, n)."""
    *front, m, n = shape_of(x)
    return [[*front, m, m], [*front, m, _shorter(m, n)], [*front, _shorter(m, n), n]]


@rule("linalg_lu_solve")
def solved_by_factors(lu: Tensor, pivots: Tensor, b: Tensor, *, left: bool = True, **kwargs: Any) -> Shape:
    """(…, n, n)⁻¹(…, n, k)."""
    matrices, right = _square(lu), shape_of(b)
    same(matrices[-1], right[-2 if left else -1])
    return [*broadcast((matrices[:-2], right[:-2])), *right[-2:]]


@rule("linalg_vecdot")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, **kwargs: Any) -> Shape:
    """One number for each pair of vectors."""
    shape = broadcast((shape_of(x), shape_of(y)))
    del shape[dim]
    return shape


@rule("cross")
def cross_somewhere(x: Tensor, y: Tensor, dim: int | None = None, **kwargs: Any) -> Shape:
    """Vectors of three, along the first side of three if none is named."""
    shape = broadcast((shape_of(x), shape_of(y)))
    axis = dim if dim is not None else [value_of(side) for side in shape].index(3)
    for before in shape[:axis] if dim is None else ():
        same(before, 3, "vectors of three")
    same(shape[axis], 3, "vectors of three")
    return shape


@rule("linalg_vander")
def powers(x: Tensor, *, N: Any = None) -> Shape:
    """A row of powers for each element."""
    shape = shape_of(x)
    return [*shape, shape[-1] if N is None else undressed(N)]


@rule("linalg_eigh linalg_eig")
def eigenvectors(x: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """Values and vectors."""
    shape = _square(x)
    return [shape[:-1], shape]


@rule("linalg_eigvalsh linalg_eigvals")
def eigenvalues(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """A value for each row."""
    return _square(x)[:-1]


def _shorter(m: Any, n: Any) -> Any:
    return m if m <= n else n


@rule("linalg_qr qr")
def orthogonal(x: Tensor, mode: Any = "reduced", **kwargs: Any) -> list[Shape]:
    """(…, m, k)(…, k, n)."""
    *front, m, n = shape_of(x)
    if mode not in ("reduced", True):
        raise NotImplementedError("a complete QR")
    return [[*front, m, _shorter(m, n)], [*front, _shorter(m, n), n]]


@rule("linalg_svd")
def singular_vectors(x: Tensor, full_matrices: bool = True, **kwargs: Any) -> list[Shape]:
    """(…, m, m), (…, k) and (…, n, n); of the reduced form k vectors each."""
    *front, m, n = shape_of(x)
    k = _shorter(m, n)
    return [[*front, m, m if full_matrices else k], [*front, k], [*front, n if full_matrices else k, n]]


@rule("svd")
def singular_vectors_of_old(x: Tensor, some: bool = True, compute_uv: bool = True, **kwargs: Any) -> list[Shape]:
    """The same, where vectors on the right are columns."""
    left, values, right = singular_vectors(x, full_matrices=not some or not compute_uv)
    return [left, values, [*right[:-2], right[-1], right[-2]]]


@rule("linalg_svdvals")
def singular_values(x: Tensor, **kwargs: Any) -> Shape:
    """One for each of the shorter side."""
    *front, m, n = shape_of(x)
    return [*front, _shorter(m, n)]


@rule("diag")
def diag(x: Tensor, diagonal: int = 0) -> Shape:
    """A matrix of a vector, or the other way."""
    shape = shape_of(x)
    return [shape[0] + abs(diagonal)] * 2 if len(shape) == 1 else [along_diagonal(shape[0], shape[1], diagonal)]


@rule("diagflat")
def diagflat(x: Tensor, offset: int = 0) -> Shape:
    """A matrix of all elements."""
    return [product(shape_of(x)) + abs(offset)] * 2


@rule("diag_embed")
def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Shape:
    """A matrix of each row."""
    *shape, side = shape_of(x)
    for place in sorted(dim % (len(shape) + 2) for dim in (dim1, dim2)):
        shape.insert(place, side + abs(offset))
    return shape


@rule("tensordot")
def tensordot(x: Tensor, y: Tensor, dims_a: Any, dims_b: Any) -> Shape:
    """What is not summed away."""
    left, right = shape_of(x), shape_of(y)
    gone, away = [d % len(left) for d in dims_a], [d % len(right) for d in dims_b]
    for one, other in zip(gone, away, strict=True):
        same(left[one], right[other])
    kept = [side for axis, side in enumerate(left) if axis not in gone]
    return [*kept, *(side for axis, side in enumerate(right) if axis not in away)]


@rule("kron")
def kron(x: Tensor, y: Tensor) -> Shape:
    """Sides multiply."""
    left, right = shape_of(x), shape_of(y)
    longest = max(len(left), len(right))
    left, right = ([1] * (longest - len(shape)) + shape for shape in (left, right))
    return [a * b for a, b in zip(left, right, strict=True)]


@rule("block_diag")
def block_diag(*matrices: Any) -> Shape:
    """Sides add up."""
    shapes = [[1] * (2 - len(shape)) + shape for shape in map(shape_of, tensors_in(matrices))]
    return [sum(shape[0] for shape in shapes), sum(shape[1] for shape in shapes)]


def _lengths(x: Tensor, n: Any, dim: Any, half: bool = False) -> tuple[Shape, list[int]]:
    """A shape whose sides are cut or filled before they are transformed, and which these are.

    Which of the two is noted, or neither. ``half`` of the last is given, and one.
    """
    shape = shape_of(x)
    sizes = None if n is None else [undressed(size) for size in (n if isinstance(n, (tuple, list)) else [n])]
    if dim is None:
        axes = list(range(len(shape))) if sizes is None else list(range(len(shape) - len(sizes), len(shape)))
    else:
        axes = [axis % len(shape) for axis in (dim if isinstance(dim, (tuple, list)) else [dim])]
    for axis, size in zip(axes, sizes or (), strict=False):
        if size != -1:
            more = (size // 2 + 1 if half and axis == axes[-1] else size) - shape[axis]
            if isinstance(more, Size):
                more.compare(">=", 0, "a side that is filled")
                more.compare("==", 0, "a side that stays")
            shape[axis] = size
    some(shape[axis] for axis in axes)
    return shape, axes


def _transforms(dim: Any, suffix: str) -> None:
    @rule(f"fft_fft{suffix} fft_ifft{suffix}")
    def complex_transform(x: Tensor, n: Any = None, d: Any = dim, *args: Any, **kwargs: Any) -> Shape:
        """As many frequencies as places."""
        return _lengths(x, kwargs.get("s", n), kwargs.get("dim", d))[0]

    @rule(f"fft_rfft{suffix} fft_ihfft{suffix}")
    def half_transform(x: Tensor, n: Any = None, d: Any = dim, *args: Any, **kwargs: Any) -> Shape:
        """Half of the frequencies along the last side, and one."""
        shape, axes = _lengths(x, kwargs.get("s", n), kwargs.get("dim", d))
        shape[axes[-1]] = shape[axes[-1]] // 2 + 1
        return shape

    @rule(f"fft_irfft{suffix} fft_hfft{suffix}")
    def whole_transform(x: Tensor, n: Any = None, d: Any = dim, *args: Any, **kwargs: Any) -> Shape:
        """The way back."""
        given = kwargs.get("s", n)
        shape, axes = _lengths(x, given, kwargs.get("dim", d), half=True)
        if given is None:
            shape[axes[-1]] = (shape[axes[-1]] - 1) * 2
            some((shape[axes[-1]],))
        return shape


_transforms(-1, "")
_transforms((-2, -1), "2")
_transforms(None, "n")


@rule("stft")
def stft(
    x: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: Any = None,
    window: Any = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    *args: Any,
    **kwargs: Any,
) -> Shape:
    """(…, frequencies, frames) of a signal that is padded already."""
    *front, length = shape_of(x)
    fits(n_fft, length, "a frame that is there")
    half = onesided if onesided is not None else not x.is_complex()
    frames = (length - n_fft) // (hop_length or n_fft // 4) + 1
    found = [*front, n_fft // 2 + 1 if half else n_fft, frames]
    return found if return_complex else [*found, 2]
