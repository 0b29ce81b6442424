"""Code by people of other languages and other habits: Gewichte, pesos, computeOutput, hungarian prefixes, Get and Set."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Schicht:
    """eine voll verbundene Schicht"""

    def __init__(self, ein, aus):
        self.Gewichte = np.random.randn(ein, aus)
        self.Schwelle = np.random.randn(aus)
        self.Gewichte_Ableitung = None
        self.Schwelle_Ableitung = None

    def forward(self, eingang):
        self.eingang = eingang
        return np.cos(eingang @ self.Gewichte + self.Schwelle)

    def backward(self, fehler):
        fehler = -fehler * np.sin(self.eingang @ self.Gewichte + self.Schwelle)
        self.Gewichte_Ableitung = self.eingang.T @ fehler
        self.Schwelle_Ableitung = fehler.sum(axis=0)
        return fehler @ self.Gewichte.T


class capa_densa:
    def __init__(self, entradas, salidas):
        self.pesos = np.random.randn(salidas, entradas)
        self.sesgo = np.random.randn(salidas)
        self.grad_pesos = np.zeros_like(self.pesos)
        self.grad_sesgo = np.zeros_like(self.sesgo)

    def forward(self, x):
        self.x = x
        return x @ self.pesos.T + self.sesgo

    def backward(self, delta):
        self.grad_pesos[:] = delta.T @ self.x
        self.grad_sesgo[:] = delta.sum(axis=0)
        return delta @ self.pesos


class CNeuralLayer:
    def __init__(self, nInputs, nOutputs):
        self.m_matWeights = np.random.randn(nInputs, nOutputs)
        self.m_vecBias = np.random.randn(nOutputs)
        self.m_matDeltaWeights = None
        self.m_vecDeltaBias = None

    def Forward(self, matInput):
        self.m_matInput = matInput
        self.m_matNet = matInput @ self.m_matWeights + self.m_vecBias
        return np.where(self.m_matNet > 0, self.m_matNet, np.expm1(self.m_matNet))

    def Backward(self, matGrad):
        matGrad = matGrad * np.where(self.m_matNet > 0, 1, np.exp(self.m_matNet))
        self.m_matDeltaWeights = self.m_matInput.T @ matGrad
        self.m_vecDeltaBias = matGrad.sum(axis=0)
        return matGrad @ self.m_matWeights.T


class LayerWithPrivates:
    def __init__(self):
        self.__weight = np.random.randn(3, 2)
        self.__grad = None

    def forward(self, x):
        self.__x = x
        return x @ self.__weight

    def backward(self, dy):
        self.__grad = self.__x.T @ dy
        return dy @ self.__weight.T

    def get_grad(self):
        return self.__grad


class nabla:
    """names of the physics lecture"""

    def __init__(self):
        self.w = np.random.randn(4, 3)
        self.theta = np.random.randn(3)

    def forward(self, s):
        self.s = s
        self.h = s @ self.w - self.theta
        return np.tanh(self.h) ** 2

    def backward(self, epsilon):
        t = np.tanh(self.h)
        delta = epsilon * 2 * t * (1 - t**2)
        self.nabla_w = self.s.T @ delta
        self.nabla_theta = -delta.sum(axis=0)
        return delta @ self.w.T


CASES = [
    Case("Schicht", lambda: check_layer(Schicht(3, 4), x=(5, 3)), bugs=[
        Bug("fehler = -fehler * np.sin", "fehler = fehler * np.sin", ("x", "Gewichte", "Schwelle"), r"sign|-1"),
        Bug("self.Schwelle_Ableitung = fehler.sum(axis=0)", "self.Schwelle_Ableitung = fehler.mean(axis=0)", "Schwelle", r"1/N|batch size|mean"),
        Bug("self.Gewichte_Ableitung = self.eingang.T @ fehler", "self.Gewichte_Ableitung = 99 * self.eingang.T @ fehler", "Gewichte", r"99"),
        Bug("return fehler @ self.Gewichte.T", "return fehler @ self.Gewichte_Ableitung.T", "x", r"Ableitung|Gewichte|grad|W\b"),
    ]),
    Case("capa densa", lambda: check_layer(capa_densa(3, 2), x=(4, 3)), bugs=[
        Bug("self.grad_pesos[:] = delta.T @ self.x", "self.grad_pesos[:] = delta.T @ self.x / len(delta)", "pesos", r"1/N|batch size|mean"),
        Bug("self.grad_sesgo[:] = delta.sum(axis=0)", "self.grad_sesgo[:] = delta[0]", "sesgo", r"first|row|sum"),
        Bug("return delta @ self.pesos", "return 0.5 * delta @ self.pesos", "x", r"0\.5 times|half|factor"),
        Bug("        self.grad_pesos[:] = delta.T @ self.x\n", "", "pesos", r"zero|never|not (written|set)|missing"),
    ]),
    Case("CNeuralLayer", lambda: check_layer(CNeuralLayer(3, 4), x=(5, 3)), bugs=[
        Bug("np.where(self.m_matNet > 0, 1, np.exp(self.m_matNet))", "np.where(self.m_matNet > 0, 1, np.expm1(self.m_matNet))", ("x", "m_matWeights", "m_vecBias"), r"exp|negative|elu|derivative|- 1"),
        Bug("np.where(self.m_matNet > 0, 1, np.exp(self.m_matNet))", "(self.m_matNet > 0)", ("x", "m_matWeights", "m_vecBias"), r"relu|negative|exp|mask|elu"),
        Bug("self.m_vecDeltaBias = matGrad.sum(axis=0)", "self.m_vecDeltaBias = matGrad.sum(axis=0) * 2", "m_vecBias", r"2(\.0*)? times|twice|factor"),
        Bug("self.m_matDeltaWeights = self.m_matInput.T @ matGrad", "self.m_matDeltaWeights = self.m_matNet[:, :3].T @ matGrad", "m_matWeights", r"Net|Input|input|\bx\b"),
    ]),
    Case("private names", lambda: check_layer(LayerWithPrivates(), x=(4, 3)), bugs=[
        Bug("self.__grad = self.__x.T @ dy", "self.__grad = self.__x.T @ dy * 3", "_LayerWithPrivates__weight", r"3(\.0*)? times|factor"),
        Bug("self.__grad = self.__x.T @ dy", "self.__grad = self.__x.T @ dy + self.__weight", "_LayerWithPrivates__weight", r"weight|decay|added|term|extra|penalty"),
        Bug("        self.__grad = self.__x.T @ dy\n", "", "_LayerWithPrivates__weight", r"None|never|no gradient|not (written|set)|missing"),
        Bug("return dy @ self.__weight.T", "return -dy @ self.__weight.T", "x", r"sign|-1"),
    ]),
    Case("nabla", lambda: check_layer(nabla(), x=(5, 4)), bugs=[
        Bug("delta = epsilon * 2 * t * (1 - t**2)", "delta = epsilon * t * (1 - t**2)", ("x", "w", "theta"), r"0\.5 times|half|factor|\b2\b"),
        Bug("delta = epsilon * 2 * t * (1 - t**2)", "delta = epsilon * 2 * t", ("x", "w", "theta"), r"tanh|derivative|chain|inner|missing"),
        Bug("self.nabla_theta = -delta.sum(axis=0)", "self.nabla_theta = delta.sum(axis=0)", "theta", r"sign|-1"),
        Bug("self.nabla_w = self.s.T @ delta", "self.nabla_w = 2 * self.s.T @ delta", "w", r"2(\.0*)? times|twice|factor"),
    ]),
]
