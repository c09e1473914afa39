#pragma once

/// How likely it is that mere chance made what looks like one cause. Pure.

#include <cstddef>
#include <vector>

namespace harbinger {

/// Nodes of a cluster, some of them at risk, and how many of those sit in one domain.
struct concentration {
  size_t population = 0; ///< nodes alive
  size_t marked = 0;     ///< of them at risk
  size_t draws = 0;      ///< nodes alive in the domain
  size_t hits = 0;       ///< of them at risk
};

/// log(n!) by table; grows as it is asked.
class log_factorials {
public:
  double operator()(size_t n);

private:
  std::vector<double> table_{0.0};
};

/// P(X >= hits) when `draws` nodes are drawn without return from `population`, of which `marked`
/// are marked (hypergeometric tail): how surprising it is that `hits` of the `marked` risky nodes
/// sit in one domain of `draws` nodes. 1 for what can not be (more marked than there are).
double concentration_tail(const concentration& seen, log_factorials& logs);

/// The least tail that a domain of `draws` nodes can have, all of whose nodes, or all that are at
/// risk, are hits: what can not be significant needs no correction for having been looked at
/// (Tarone 1990, A modified Bonferroni method for discrete data, Biometrics 46).
double least_tail(size_t population, size_t marked, size_t draws, log_factorials& logs);

/// Ranks of `values`, ties sharing their mean rank, centred and of length 1: the product of two
/// such rows is Spearman's correlation. All zero when there is only one value. `count` <= 64.
void rank_row(const float* values, size_t count, float* out);

/// Autocorrelation at lag one of a row that is centred and of length 1.
double lag_one(const float* row, size_t count);

/// P(a rank correlation of `correlation` or more) between two rows of `count` that have nothing to
/// do with each other: Student's t, of which the density of r is (1 - r^2)^((n - 4) / 2) (Pitman
/// 1937 for permutations; Fisher's z with the variance of ranks is three times too sure at the
/// probabilities that matter here). n is what `count` neighbours in time are worth when each row
/// goes on as it was: count * (1 - ab) / (1 + ab), a and b their autocorrelations at lag one
/// (Bartlett 1935), at most `count`; 1 when that is 4 or less.
double correlation_tail(double correlation, size_t count, double a, double b);

} // namespace harbinger
