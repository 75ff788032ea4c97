#!/usr/bin/env python3
"""Reads digits by their nearest neighbours, and prints how many it got wrong. It knows nothing of any sweep."""

import argparse
import math
import pathlib
import random
from collections import defaultdict

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--neighbours", type=int, default=5, help="how many vote")
parser.add_argument("--nearness", type=float, default=0.0, help="a vote weighs distance ** -nearness")
parser.add_argument("--ink", type=float, default=1.0, help="a pixel counts as its ink ** this, from 0 to 1")
parser.add_argument("--blur", type=float, default=0.0, help="how much of its neighbours' ink a pixel takes on")
parser.add_argument("--known", type=int, default=1350, help="how many images it may compare with")
options = parser.parse_args()


def features(pixels):
    """The image with the ink bent and blurred: a list of 64 numbers."""
    ink = [(pixel / 16) ** options.ink for pixel in pixels]
    if options.blur == 0:
        return ink
    at = lambda row, column: ink[8 * row + column] if 0 <= row < 8 and 0 <= column < 8 else 0.0
    beside = lambda row, column: at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1)
    return [at(i // 8, i % 8) + options.blur * beside(i // 8, i % 8) for i in range(64)]


def read(image, known):
    """The digit that most of the nearest images show, each vote weighed by its nearness."""
    nearest = sorted((math.dist(image, other), digit) for other, digit in known)[: options.neighbours]
    votes = defaultdict(float)
    for distance, digit in nearest:
        votes[digit] += (distance + 1e-9) ** -options.nearness
    return max(votes, key=votes.get)


data = pathlib.Path(__file__).parent / "../digits/data/digits.csv"
images = [[int(number) for number in line.split(",")] for line in data.read_text().splitlines()]
random.Random(0).shuffle(images)
held_back, known = images[:360], [(features(image[:64]), image[64]) for image in images[360 : 360 + options.known]]
wrong = sum(read(features(image[:64]), known) != image[64] for image in held_back)
print(f"{len(known)} images known, {wrong} of {len(held_back)} read wrong")
print(f"val_error={wrong / len(held_back)}")
