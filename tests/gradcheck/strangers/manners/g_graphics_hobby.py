"""Graphics and robotics hobbyists: texture lookup, alpha compositing along rays, quaternions, pinhole projection."""
import numpy as np


class BilinearTexture:
    """A learned texture (H, W, 3) sampled at continuous points uv (N, 2) in pixels."""

    def __init__(self, height, width):
        self.texels = np.random.rand(height, width, 3)

    def sample(self, uv):
        i0 = np.floor(uv).astype(int)
        fr = uv - i0
        self.corners = []
        out = 0.0
        for du in (0, 1):
            for dv in (0, 1):
                wu = fr[:, 0] if du else 1 - fr[:, 0]
                wv = fr[:, 1] if dv else 1 - fr[:, 1]
                r, c = i0[:, 0] + du, i0[:, 1] + dv
                self.corners.append((r, c, wu, wv, 2 * du - 1, 2 * dv - 1))
                out = out + (wu * wv)[:, None] * self.texels[r, c]
        return out

    def sample_backward(self, grad_rgb):
        grad_uv = np.zeros((len(grad_rgb), 2))
        self.grad_texels = np.zeros_like(self.texels)
        for r, c, wu, wv, su, sv in self.corners:
            dot = (grad_rgb * self.texels[r, c]).sum(axis=1)
            grad_uv[:, 0] += su * wv * dot
            grad_uv[:, 1] += sv * wu * dot
            np.add.at(self.grad_texels, (r, c), (wu * wv)[:, None] * grad_rgb)
        return grad_uv


def composite(sigma, rgb):
    """Front-to-back: sigma (R, S), rgb (R, S, 3) -> pixel colours (R, 3)."""
    density = np.log1p(np.exp(sigma))
    tau = np.cumsum(density, axis=1)
    trans = np.exp(-(tau - density))
    alpha = 1 - np.exp(-density)
    weights = trans * alpha
    return (weights[..., None] * rgb).sum(axis=1), dict(sigma=sigma, rgb=rgb, density=density, tau=tau, w=weights)


def composite_backward(d_pixel, ctx):
    w = ctx["w"]
    d_rgb = w[..., None] * d_pixel[:, None, :]
    contribution = (ctx["rgb"] * d_pixel[:, None, :]).sum(axis=2)
    later = np.cumsum((w * contribution)[:, ::-1], axis=1)[:, ::-1] - w * contribution
    d_density = np.exp(-ctx["tau"]) * contribution - later
    return d_density / (1 + np.exp(-ctx["sigma"])), d_rgb


class Camera:
    """Rotation by an unnormalized quaternion, then translation and pinhole projection of points (N, 3)."""

    focal = 1.5

    def __init__(self):
        self.quat = np.array([0.9, 0.2, -0.3, 0.1])
        self.trans = np.array([0.1, -0.2, 6.0])

    @staticmethod
    def _rotation(q):
        w, x, y, z = q
        return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                         [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                         [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]])

    @staticmethod
    def _rotation_partials(q):
        w, x, y, z = q
        return 2 * np.array([[[0, -z, y], [z, 0, -x], [-y, x, 0]],
                             [[0, y, z], [y, -2 * x, -w], [z, w, -2 * x]],
                             [[-2 * y, x, w], [x, 0, z], [-w, z, -2 * y]],
                             [[-2 * z, -w, x], [w, -2 * z, y], [x, y, 0]]])

    def project(self, pts):
        self.pts = pts
        self.norm = np.linalg.norm(self.quat)
        self.unit = self.quat / self.norm
        self.R = self._rotation(self.unit)
        self.cam = pts @ self.R.T + self.trans
        return self.focal * self.cam[:, :2] / self.cam[:, 2:]

    def project_vjp(self, g):
        depth = self.cam[:, 2:]
        d_cam = np.empty_like(self.cam)
        d_cam[:, :2] = self.focal * g / depth
        d_cam[:, 2] = -self.focal * (g * self.cam[:, :2]).sum(axis=1) / depth[:, 0] ** 2
        d_R = d_cam.T @ self.pts
        d_unit = np.einsum("kij,ij->k", self._rotation_partials(self.unit), d_R)
        self.d_quat = (d_unit - self.unit * (self.unit @ d_unit)) / self.norm
        self.d_trans = d_cam.sum(axis=0)
        return d_cam @ self.R


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function  # noqa: E402

TEXTURE = BilinearTexture(5, 6)
CAMERA = Camera()

CASES = [
    Case("graphics_texture", lambda: check_function(TEXTURE.sample, TEXTURE.sample_backward,
                                                    uv=np.random.default_rng(4).uniform(0.1, 3.9, size=(6, 2))), bugs=[
        Bug("np.add.at(self.grad_texels, (r, c), (wu * wv)[:, None] * grad_rgb)",
            "self.grad_texels[r, c] = (wu * wv)[:, None] * grad_rgb", "texels", r"repeat|add\.at|accumulat|overw"),
        Bug("+= sv * wu * dot", "+= sv * wv * dot", "uv", r"column|weight|factor|wrong|coordinate"),
    ]),
    Case("graphics_composite", lambda: check_function(composite, composite_backward, sigma=(3, 5), rgb=(3, 5, 3)), bugs=[
        Bug("* contribution - later", "* contribution", "sigma", r"later|transmi|missing|term|cumul"),
        Bug("d_density / (1 + np.exp(-ctx[\"sigma\"]))", "d_density", "sigma", r"softplus|sigmoid|derivative|activation"),
    ]),
    Case("graphics_camera", lambda: check_function(CAMERA.project, CAMERA.project_vjp, pts=(5, 3)), bugs=[
        Bug("return d_cam @ self.R\n", "return d_cam @ self.R.T\n", "pts", r"transpos"),
        Bug(" - self.unit * (self.unit @ d_unit)", "", "quat", r"norm|term|missing|project"),
    ]),
]
