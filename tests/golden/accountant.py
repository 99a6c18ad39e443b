#!/usr/bin/env python3
"""Makes accountant.json: values that the privacy accountants must meet.

    python3 accountant.py ORACLE.json > accountant.json

The rows of `tables` are figures of a separate set of reference values, made compact: what an
accountant is asked, and the interval that its answer must lie in. The rows of `extreme` are computed
here, from the definition of (epsilon, delta): two releases of the Poisson-sampled Gaussian by one
integral over the closed form of the second release, and many releases by the integral of the
composed transform, both with 30 digits and no lattice of losses. The rows of `rare_hits` are computed
likewise.
"""
import json
import sys

import mpmath as mp
import numpy

mp.mp.dps = 30

# (q, sigma, count, delta): count 2 takes the first method, all others the second.
EXTREME = [
    (1e-2, 0.3, 2, 1e-3), (1e-2, 0.3, 2, 1e-6), (1e-3, 0.3, 2, 1e-9), (1e-6, 0.3, 2, 1e-12),
    (0.5, 0.5, 2, 1e-15), (0.9, 0.3, 2, 1e-10), (1e-4, 1.0, 2, 1e-8), (0.2, 3.0, 2, 1e-12),
    (1e-3, 100.0, 1000000, 1e-15), (1e-2, 100.0, 1000000, 1e-3), (0.5, 100.0, 100000, 1e-15),
    (0.3, 0.5, 1000000, 1e-10), (0.05, 2.0, 1000000, 1e-15), (0.99, 30.0, 1000, 1e-15),
]

# Rare hits decide delta: (q, sigma, count, delta, theta, epsilon near the answer). Count 2 by the
# first method; the others by the second in 64-bit mantissas, at a tilt theta that Chernoff's bound
# does not find.
RARE_HITS = [
    (1e-4, 0.85, 2, 2.6e-10, None, 0.05), (6.5e-6, 0.38, 2, 1.5e-8, None, 0.3),
    (5e-5, 0.63, 14300, 8.7e-10, 4, 0.9), (6.3e-5, 0.7, 633000, 2e-10, 4, 1.2),
    (2.5e-4, 0.9, 300, 1e-12, 5, 0.5),
    (1e-6, 0.45, 1000000, 1e-14, 4, 5), (3e-6, 0.4, 900000, 1e-13, 3, 8.7),
    (2e-6, 0.3, 1000000, 1e-12, 1.4, 18), (1e-5, 0.5, 100000, 1e-6, 4, 0.5),
    (1e-6, 0.38, 650000, 5e-4, 2, 0.07), (2.3e-6, 0.57, 46000, 1.2e-6, 4, 0.0125),
]


def cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def gaussian_delta(sigma, e):
    return cdf(1 / (2 * sigma) - e * sigma) - mp.exp(e) * cdf(-1 / (2 * sigma) - e * sigma)


def one_release(q, sigma, e, direction):
    """delta of one release for any real e; both directions determine each other."""
    if e < 0:
        other = 'add' if direction == 'remove' else 'remove'
        return 1 - mp.exp(e) + mp.exp(e) * one_release(q, sigma, -e, other)
    if direction == 'remove':
        return q * gaussian_delta(sigma, mp.log1p(mp.expm1(e) / q))
    v = q + mp.expm1(-e)
    return mp.exp(e) * v * gaussian_delta(sigma, mp.log(q / v)) if v > 0 else mp.mpf(0)


def two_releases(q, sigma, direction):
    """delta(e) = E over the first loss L of delta_1(e - L). Gauss-Legendre panels, split where the
    second release's delta_1 meets the largest or smallest loss and is not analytic."""
    q, sigma = mp.mpf(q), mp.mpf(sigma)
    rule = [(mp.mpf(float(x)), mp.mpf(float(w)))
            for x, w in zip(*numpy.polynomial.legendre.leggauss(16))]
    def delta(e):
        edge = e - mp.log1p(-q) if direction == 'remove' else -e - mp.log1p(-q)
        ratio = (mp.exp(edge) - 1 + q) / q
        ends = {k * sigma / 4 for k in range(-44, 45 + int(4 / sigma))}
        if ratio > 0:
            split = sigma**2 * mp.log(ratio) + mp.mpf(1) / 2
            ends |= {split + k * sigma / 4 for k in (0, -1, -2, 1, 2)}
        ends = sorted(x for x in ends if -11 * sigma <= x <= 1 + 11 * sigma)
        total = mp.mpf(0)
        for left, right in zip(ends, ends[1:]):
            for x, w in rule:
                z = (left + right + (right - left) * x) / 2
                mass = w * (right - left) / 2 * mp.exp(-z * z / (2 * sigma**2)) / (
                    sigma * mp.sqrt(2 * mp.pi))
                odds = 1 + q * mp.expm1((2 * z - 1) / (2 * sigma**2))
                if direction == 'remove':
                    total += mass * odds * one_release(q, sigma, e - mp.log(odds), direction)
                else:
                    total += mass * one_release(q, sigma, e + mp.log(odds), direction)
        return total
    return delta


def transform(q, sigma, s, direction):
    """log E e^(sL) for complex s, trapezoid rule; the integrand is analytic near the real line."""
    h = min(sigma / 3, sigma**2 / 4)
    h = min(h, mp.mpf(5) * sigma**2 / (abs(s.imag) + 8))
    top = 1 + s.real + 12 * sigma if direction == 'remove' else 12 * sigma
    total = mp.mpc(0)
    for k in range(int(-12 * sigma / h), int(top / h) + 1):
        z = k * h
        log_ratio = mp.log1p(q * mp.expm1((2 * z - 1) / (2 * sigma**2)))
        power = (1 + s) if direction == 'remove' else -s
        total += mp.exp(-z * z / (2 * sigma**2)) * mp.expm1(power * log_ratio)
    return mp.log1p(total * h / (sigma * mp.sqrt(2 * mp.pi)))


def many_releases(q, sigma, count, direction, theta):
    """1/(2 pi i) times the integral of e^(K(s) - s e)/(s (1+s)) over Re s = theta."""
    q, sigma, theta = mp.mpf(q), mp.mpf(sigma), mp.mpf(theta)
    k0 = count * transform(q, sigma, mp.mpc(theta), direction).real
    near = count * transform(q, sigma, mp.mpc(theta * mp.mpf('1.001')), direction).real
    far = count * transform(q, sigma, mp.mpc(theta * mp.mpf('0.999')), direction).real
    deviation = mp.sqrt((near - 2 * k0 + far) / (theta / 1000)**2)
    step = 2 * mp.pi / (16 * deviation + 60 / theta)
    points, j = [], 0
    while True:
        s = mp.mpc(theta, j * step)
        exponent = count * transform(q, sigma, s, direction) - mp.log(s) - mp.log(1 + s)
        points.append((s, exponent))
        if exponent.real < points[0][1].real - 45:
            break
        j += 1
    def delta(e):
        values = [mp.exp(x - s * e).real for s, x in points]
        return step / mp.pi * (mp.fsum(values) - values[0] / 2)
    return delta


def chernoff_theta(q, sigma, count, delta, direction):
    q, sigma = mp.mpf(q), mp.mpf(sigma)
    def epsilon(log_theta):
        theta = mp.exp(log_theta)
        k = count * transform(q, sigma, mp.mpc(theta), direction).real
        return (k - mp.log(delta) + theta * mp.log(theta) - (1 + theta) * mp.log1p(theta)) / theta
    grid = [mp.mpf(i) / 4 for i in range(-24, 40)]
    best = grid[0]
    for x in grid:
        if epsilon(x) > epsilon(best) + 10:
            break
        if epsilon(x) < epsilon(best):
            best = x
    return mp.exp(best), epsilon(best)


def solve(delta_of, delta, low=0, high=1):
    """The integral loses its digits far from its saddle point, so low and high enclose it closely."""
    low, high = max(mp.mpf(0), mp.mpf(low)), mp.mpf(high)
    if delta_of(low) <= delta:
        return low
    while delta_of(high) > delta:
        low, high = high, 2 * high
    while high - low > mp.mpf(10)**-11 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle) > delta else (low, middle)
    return high


def many_rare_hits(q, sigma, count, theta):
    """As many_releases, remove direction, vectorised: the factor e^(K - theta epsilon) that separates
    the integrand from delta is below 1e12 here, so that 19 digits leave 7."""
    real = numpy.longdouble
    pi = real('3.14159265358979323846264338327950288')
    q, sigma, theta = real(q), real(sigma), real(theta)

    def nodes(t):
        h = min(sigma / 3, sigma**2 / 4, real(4.5) * sigma**2 / (t + 8))
        low, high = -10.5 * sigma, 1 + theta + 10.5 * sigma
        z = numpy.arange(int(low / h), int(high / h) + 1).astype(real) * h
        loss = numpy.log1p(q * numpy.expm1((2 * z - 1) / (2 * sigma**2)))
        mass = numpy.exp(-z * z / (2 * sigma**2)) * h / (sigma * numpy.sqrt(2 * pi))
        moment = 1 + numpy.sum(mass * numpy.expm1((1 + theta) * loss))
        return loss, mass * numpy.exp((1 + theta) * loss) / moment, numpy.log(moment)

    loss, weight, cumulant = nodes(real(0))
    mean = numpy.sum(weight * loss)
    deviation = numpy.sqrt(count * (numpy.sum(weight * loss**2) - mean**2))
    step = 2 * pi / (16 * deviation + 90 / theta)
    end, log_size = real(8) / deviation, real(0)
    # cos(t loss) - 1 and sin(t loss), turned by one step from point to point.
    def turned(t, loss):
        return -2 * numpy.sin(t * loss / 2)**2, numpy.sin(t * loss)

    loss, weight, _ = nodes(end)
    (x, y), (dx, dy) = turned(real(0), loss), turned(step, loss)
    terms, t = [], real(0)
    while log_size > -42:
        if t > end:
            end *= 2
            loss, weight, _ = nodes(end)
            (x, y), (dx, dy) = turned(t, loss), turned(step, loss)
        re, im = 1 + numpy.sum(weight * x), numpy.sum(weight * y)
        log_size = count * numpy.log1p(re * re - 1 + im * im) / 2
        phase = count * numpy.arctan2(im, re) - numpy.arctan2(t, theta) - numpy.arctan2(t, 1 + theta)
        size = numpy.exp(log_size) / numpy.sqrt((theta**2 + t**2) * ((1 + theta)**2 + t**2))
        terms.append((t, size / 2 if t == 0 else size, phase))
        t += step
        x, y = x + dx + x * dx - y * dy, y + dy + x * dy + y * dx
    t, size, phase = (numpy.array(x) for x in zip(*terms))
    scale = numpy.exp(count * cumulant)
    return lambda e: scale * numpy.exp(-theta * real(e)) * step / pi * numpy.sum(
        size * numpy.cos(phase - t * real(e)))


def rare_hits():
    rows = []
    for q, sigma, count, delta, theta, near in RARE_HITS:
        if count == 2:
            epsilon = solve(two_releases(q, sigma, 'remove'), mp.mpf(delta), 0, near)
        else:
            curve = many_rare_hits(q, sigma, count, theta)
            low, high = near / 2, 2 * near
            for _ in range(45):
                middle = (low + high) / 2
                low, high = (middle, high) if curve(middle) > delta else (low, middle)
            epsilon = high
        rows.append({'q': q, 'sigma': sigma, 'count': count, 'delta': delta,
                     'epsilon': float(epsilon)})
    return rows


def extreme():
    rows = []
    for q, sigma, count, delta in EXTREME:
        best = mp.mpf(0)
        for direction in ('remove', 'add'):
            if count == 2:
                curve = two_releases(q, sigma, direction)
                best = max(best, solve(curve, mp.mpf(delta)))
            else:
                theta, bound = chernoff_theta(q, sigma, count, delta, direction)
                curve = many_releases(q, sigma, count, direction, theta)
                best = max(best, solve(curve, mp.mpf(delta), bound - 12 / theta, bound))
        rows.append({'q': q, 'sigma': sigma, 'count': count, 'delta': delta,
                     'epsilon': float(best)})
        print(rows[-1], file=sys.stderr)
    return rows


def tight(row):
    if row.get('accept_tight'):
        return row['accept_tight']
    return None


def short(values):
    return [float('%.17g' % v) if not isinstance(v, str) else v for v in values]


def points(oracle):
    rows = []
    for r in oracle['points'] + [
            dict(r, q=r['q_c'], T=r['rounds']) for r in oracle['federated_user_level']]:
        row = {'q': r['q'], 'sigma': r['sigma'], 'count': r['T'], 'delta': r['delta'],
               'exact': tight(r), 'rdp': r['accept_rdp'], 'epsilon': r['eps_query'],
               'rdp_delta': r['rdp_delta_gold']}
        gold = r.get('gold_delta') or {}
        row['exact_delta'] = gold.get('delta')
        rows.append(row)
    for r in oracle['federated_local_example_level']:
        for c in r['clients']:
            rows.append({'q': c['q'], 'sigma': c['sigma'], 'count': c['T'], 'delta': r['delta'],
                         'exact': tight(c)})
    return [r for i, r in enumerate(rows) if r not in rows[:i]]


def tables(oracle):
    pick = lambda r, *keys: {k: r[k] for k in keys}
    exact = oracle['gaussian_exact']
    return {
        'rdp': [{'q': r['q'], 'sigma': r['sigma'], 'orders': r['orders'], 'rdp': short(r['gold'])}
                for r in oracle['rdp_poisson_gaussian']],
        'points': points(oracle),
        'heterogeneous': [{'mechanisms': r['mechanisms'], 'delta': r['delta'],
                           'exact': r['accept_tight'], 'rdp': r['rdp_eps_gold']}
                          for r in oracle['heterogeneous']],
        'replace_one': [{'q': r['q'], 'sigma': r['sigma'], 'count': r['T'], 'delta': r['delta'],
                         'epsilon': r['gold']['eps']} for r in oracle['substitute_relation']],
        'without_replacement': [
            {'batch': r['m'], 'examples': r['n'], 'sigma': r['sigma'], 'count': r['T'],
             'delta': r['delta'], 'orders': r['orders_check'], 'rdp': r['rdp_gold'],
             'rdp_other': r['rdp_dp_accounting'], 'difference': r['rdp_rel_diff']}
            for r in oracle['without_replacement_rdp']],
        'without_replacement_epsilon': [
            {'batch': r['wor_cohort'], 'examples': r['clients'], 'sigma': r['sigma'],
             'count': r['rounds'], 'delta': r['delta'], 'epsilon': r['wor_replace_one_eps_rdp']}
            for r in oracle['federated_user_level'] if 'wor_cohort' in r],
        'gaussian_delta': [pick(r, 'sigma', 'eps', 'log_delta') for r in exact['delta_of']],
        'gaussian_epsilon': [pick(r, 'sigma', 'delta', 'eps') for r in exact['eps_of']],
        'gaussian_sigma': [pick(r, 'eps', 'delta', 'sigma') for r in exact['sigma_of']],
        'laplace': [{'scale': r['b'], 'count': r['k'], 'orders': r['rdp_orders'], 'rdp': r['rdp'],
                     'rows': [{'delta': x['delta'], 'low': x.get('exact', x['optimistic_lower']),
                               'high': x['pld_eps'] + 2e-3} for x in r['rows']]}
                    for r in oracle['laplace_composition']],
        'zcdp': [{'rho': r['rho'],
                  'epsilon': [[x['delta'], x['eps_tight']] for x in r['rows']],
                  'delta': [[x['eps'], x['delta']] for x in r['delta_rows']]}
                 for r in oracle['zcdp']],
        'tree_restart': [{'sigma': r['noise_multiplier'], 'leaves': max(r['step_counts']),
                          'restarts': r['restarts'], 'rho': r['rho_zcdp'],
                          'rows': [[x['delta'], x['eps_zcdp_tight'], x['eps_exact_gaussian'],
                                    x['eps_rdp_dp_accounting']] for x in r['rows']]}
                         for r in oracle['tree_restart']],
        'tree': [{'sigma': r['noise_multiplier'], 'leaves': r['total_steps'],
                  'participations': r['max_participation'], 'separation': r['min_separation'],
                  'squared': r['sum_sensitivity_square'],
                  'rows': [[x['delta'], x['eps_zcdp_tight'], x['eps_exact_gaussian']]
                           for x in r['rows']]} for r in oracle['tree_no_restart']],
        'adaptive_clipping': [pick(r, 'z', 'sigma_b', 'feasible', 'z_delta')
                              for r in oracle['adaptive_clipping_split']],
    }


if __name__ == '__main__':
    with open(sys.argv[1]) as file:
        reference = json.load(file)
    golden = {'made_by': 'accountant.py', 'orders': reference['meta']['rdp_default_orders'],
              'tables': tables(reference), 'extreme': extreme(),
              'rare_hits': rare_hits()}
    print(json.dumps(golden, separators=(',', ':')).replace('},{', '},\n{'))
