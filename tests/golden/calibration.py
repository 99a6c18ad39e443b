#!/usr/bin/env python3
"""Makes calibration.json: noise, steps and federation rows of the accountant oracles.

Usage: calibration.py ORACLES.json > calibration.json

The oracles' values come from a slow, independent computation (contour integral, 40 digits).
`accept` bands begin at the exact value, so that an answer below the truth fails.
"""

import json
import sys


def number(value):
    return value if isinstance(value, (int, float)) else None


def main():
    with open(sys.argv[1]) as file:
        oracles = json.load(file)
    noise = [
        {
            "epsilon": row["eps"],
            "delta": row["delta"],
            "rate": row["q"],
            "steps": row["T"],
            "accept_exact": row["accept_sigma"],
            "accept_rdp": row["accept_sigma_rdp"],
        }
        for row in oracles["calibrate_sigma"]
        if number(row.get("sigma_gold")) is not None
    ]
    steps = [
        {
            "epsilon": row["eps"],
            "delta": row["delta"],
            "rate": row["q"],
            "noise_multiplier": row["sigma"],
            "rdp": row["T_max_rdp_gold"],
            "exact": number(row["T_max_gold"]),
        }
        for row in oracles["calibrate_T"]
    ]
    federations = [
        {
            "name": row["name"],
            "delta": row["delta"],
            "clients": [
                {
                    "rate": client["q"],
                    "steps": client["T"],
                    "noise_multiplier": client["sigma"],
                    "accept_exact": client.get("accept_tight"),
                    "rdp": client["eps_rdp"],
                }
                for client in row["clients"]
            ],
            "largest_exact": row["eps_max_gold"],
            "largest_rdp": row["eps_max_rdp"],
        }
        for row in oracles["federated_local_example_level"]
    ]
    golden = {"noise": noise, "steps": steps, "federations": federations}
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
