"""RoAd: outputs that are turned and stretched in pairs."""

import numpy as np
from peft import RoadConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(0.2) if "road_theta" in name else 1 + draw(0.1)


def matrix(part, config):
    """R: the first half of a group is paired with the second."""
    theta, alpha = part["road_theta"], part["road_alpha"]
    size, variant = config["group_size"], config["variant"]
    shape = {"road_1": (-1, 1, 1, size // 2), "road_2": (-1, 1, 2, size // 2), "road_4": (-1, 2, 2, size // 2)}[variant]
    theta, alpha = theta.reshape(shape), alpha.reshape(shape)
    groups = len(theta)
    theta, alpha = (np.broadcast_to(values, (groups, 2, 2, size // 2)) for values in (theta, alpha))
    cosines, sines = alpha[:, 0] * np.cos(theta[:, 0]), alpha[:, 1] * np.sin(theta[:, 1])
    result = np.zeros((groups * size, groups * size))
    for group in range(groups):
        for pair in range(size // 2):
            first = group * size + pair
            second = first + size // 2
            result[first, first], result[first, second] = cosines[group, 0, pair], -sines[group, 0, pair]
            result[second, second], result[second, first] = cosines[group, 1, pair], sines[group, 1, pair]
    return result


def merged(part, weight, config, module):
    return matrix(part, config) @ weight


def others(part, config, module, expected):
    bias = f"{module}.bias"
    return {bias: matrix(part, config) @ expected[bias]} if bias in expected else {}


TUNER = Tuner("road", config=RoadConfig, prefixes=("road_",), merged=merged, fill=fill, others=others, sums=True,
    rounds_factors=True)
TUNER.case("linear", "tiny-llama", "linear layers, an angle and a scale for each pair (road_1)",
    dict(variant="road_1", group_size=4, target_modules="all-linear"))
TUNER.case("rows", "tiny-qwen2", "biases too, an angle and a scale for each output (road_2)",
    dict(variant="road_2", group_size=8, target_modules=["q_proj", "v_proj"]))
TUNER.case("products", "tiny-qwen2", "biases too, two angles and scales for each output (road_4), and a module saved whole",
    dict(variant="road_4", group_size=2, target_modules=["q_proj", "k_proj", "down_proj"], modules_to_save=["lm_head"]))
