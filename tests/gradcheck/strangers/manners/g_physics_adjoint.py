"""Scientific code: energies with forces, adjoints of time steppers, a diffusion step; names like state, params, adjoint."""
import numpy as np


class SpringChain:
    """Energy of a chain of springs with learned stiffness and rest length; minus the gradient is the force."""

    def __init__(self, n):
        self.stiffness = np.linspace(1.0, 2.0, n - 1)
        self.rest_length = np.full(n - 1, 0.8)

    def energy(self, positions):
        d = positions[1:] - positions[:-1]
        self.r = np.sqrt((d ** 2).sum(axis=1))
        self.unit = d / self.r[:, None]
        self.stretch = self.r - self.rest_length
        return 0.5 * np.sum(self.stiffness * self.stretch ** 2)

    def gradient(self, d_energy=1.0):
        t = d_energy * self.stiffness * self.stretch
        pull = t[:, None] * self.unit
        g = np.zeros((len(t) + 1, self.unit.shape[1]))
        g[1:] += pull
        g[:-1] -= pull
        self.d_stiffness = d_energy * 0.5 * self.stretch ** 2
        self.d_rest_length = -t
        return g


class VanDerPol:
    """n explicit Euler steps of a Van der Pol oscillator, batch of states (N, 2), parameter mu."""

    dt = 0.1

    def __init__(self, steps=5):
        self.mu = np.array([1.3])
        self.steps = steps

    def integrate(self, state):
        self.trajectory = [state]
        for _ in range(self.steps):
            q, p = state[:, 0], state[:, 1]
            state = state + self.dt * np.stack([p, self.mu * (1 - q ** 2) * p - q], axis=1)
            self.trajectory.append(state)
        return state

    def adjoint(self, lam):
        self.d_mu = np.zeros_like(self.mu)
        for state in self.trajectory[-2::-1]:
            q, p = state.T
            lq, lp = lam.T
            self.d_mu += self.dt * np.sum(lp * (1 - q ** 2) * p)
            lam = lam + self.dt * np.stack([lp * (-2 * self.mu * q * p - 1), lq + lp * self.mu * (1 - q ** 2)], axis=1)
        return lam


def diffuse(u, kappa, dx=0.5, dt=0.05):
    """One step of u_t = (kappa u_x)_x on a periodic grid; kappa lives on the faces to the right of the cells."""
    grad_u = (np.roll(u, -1) - u) / dx
    flux = kappa * grad_u
    return u + dt / dx * (flux - np.roll(flux, 1)), (grad_u, kappa, dx, dt)


def diffuse_adjoint(bar, saved):
    grad_u, kappa, dx, dt = saved
    bar_flux = dt / dx * (bar - np.roll(bar, -1))
    bar_kappa = bar_flux * grad_u
    bar_grad = bar_flux * kappa / dx
    bar_u = bar + np.roll(bar_grad, 1) - bar_grad
    return bar_u, bar_kappa


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function  # noqa: E402

SPRINGS = SpringChain(5)
OSC = VanDerPol()

CASES = [
    Case("physics_springs", lambda: check_function(SPRINGS.energy, SPRINGS.gradient, positions=(5, 2)), bugs=[
        Bug("        g[:-1] -= pull\n", "", "positions", r"missing|term|path|neighbou?r"),
        Bug("self.d_rest_length = -t", "self.d_rest_length = t", "rest_length", r"sign|-1 times"),
        Bug("d_energy * 0.5 * self.stretch ** 2", "d_energy * self.stretch ** 2", "stiffness",
            r"2(\.0)? times|times the right"),
    ]),
    Case("physics_van_der_pol", lambda: check_function(OSC.integrate, OSC.adjoint, state=(3, 2)), bugs=[
        Bug("self.d_mu += self.dt", "self.d_mu = self.dt", "mu", r"accumulat|\+=|last|overw"),
        Bug("for state in self.trajectory[-2::-1]:", "for state in self.trajectory[:0:-1]:", ("state", "mu"),
            r"step|state|time|shift"),
        Bug("lam = lam + self.dt * np", "lam = self.dt * np", ("state", "mu"), r"identity|skip|term|missing"),
    ]),
    Case("physics_diffusion", lambda: check_function(diffuse, diffuse_adjoint, u=(7,), kappa=(7,)), bugs=[
        Bug("(bar - np.roll(bar, -1))", "(bar - np.roll(bar, 1))", ("u", "kappa"), r"roll|shift|neighbou?r|direction|sign"),
        Bug("bar_grad = bar_flux * kappa / dx", "bar_grad = bar_flux * kappa", "u", r"dx|term|factor|missing"),
    ]),
]
