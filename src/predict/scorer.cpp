#include "predict/scorer.hpp"

#include <array>
#include <cmath>
#include <istream>

#include "predict/tuning.hpp"

namespace harbinger::predict {
namespace {
constexpr std::array<std::string_view, 4> kinds{"logistic", "forest", "network", "boosting"};

uint32_t whole(const hyper_values& hyper, const char* name) {
  return static_cast<uint32_t>(std::lround(hyper.at(name)));
}

result<std::unique_ptr<scorer>> train_kind(std::string_view kind, const training_rows& rows,
                                           hyper_values& hyper, const training_rows* validation,
                                           uint64_t seed, unsigned threads) {
  const auto& h = hyper;
  if (kind == "logistic") {
    logistic_options o;
    o.l2 = h.at("l2");
    o.clip = h.at("clip");
    o.positive_power = h.at("positive_power");
    o.threads = threads;
    return train_logistic(rows, o);
  }
  if (kind == "forest")
    return train_forest(rows, {whole(h, "trees"), whole(h, "leaf_rows_min"), h.at("features_tried"),
                               seed, h.at("healthy_ratio"), h.at("smoothing"), threads});
  uint32_t rounds = whole(h, "rounds");
  result<std::unique_ptr<scorer>> out;
  if (kind == "network")
    out = train_network(rows,
                        {whole(h, "hidden"), whole(h, "hidden2"), h.at("l2"), rounds,
                         h.at("positive_power"), seed, threads},
                        validation, &rounds);
  else
    out = train_boosting(rows,
                         {rounds, whole(h, "bags"), whole(h, "depth"), h.at("learning_rate"),
                          h.at("leaf_weight_min"), h.at("row_share"), h.at("feature_share"),
                          h.at("l2"), h.at("positive_power"), seed, threads},
                         validation, &rounds);
  hyper["rounds"] = rounds;
  return out;
}

result<std::unique_ptr<scorer>> load_kind(std::string_view kind, std::istream& in, size_t width) {
  if (kind == "logistic") return load_logistic(in, width);
  if (kind == "forest") return load_forest(in, width);
  if (kind == "network") return load_network(in, width);
  if (kind == "boosting") return load_boosting(in, width);
  return fail(errc::unsupported, "no such kind of model: " + std::string(kind));
}
} // namespace

double scorer::score(std::span<const double> row) const {
  double out = 0;
  scores(row, 1, {&out, 1});
  return out;
}

std::span<const std::string_view> scorer_kinds() { return kinds; }

double positive_weight(const training_rows& rows, double power) {
  double sums[2] = {0, 0};
  for (size_t i = 0; i < rows.size(); ++i) sums[rows.labels[i]] += rows.weight(i);
  return sums[0] > 0 && sums[1] > 0 ? std::pow(sums[0] / sums[1], power) : 1.0;
}

result<void> check_training_rows(const training_rows& rows) {
  constexpr size_t rows_min = 20;
  size_t labels[2] = {0, 0};
  if (rows.width == 0 || rows.width > training_width_max || rows.size() > training_rows_max
      || rows.values.size() != rows.width * rows.size()
      || (!rows.weights.empty() && rows.weights.size() != rows.size()))
    return fail(errc::invalid_argument, "training rows: ragged, empty or too many");
  for (uint8_t label : rows.labels) {
    if (label > 1) return fail(errc::invalid_argument, "training rows: a label is 0 or 1");
    ++labels[label];
  }
  for (float w : rows.weights)
    if (!(w > 0 && std::isfinite(w)))
      return fail(errc::invalid_argument, "training rows: a weight is above 0");
  if (rows.size() < rows_min || labels[0] == 0 || labels[1] == 0)
    return fail(errc::invalid_argument, "training needs 20 rows and both labels");
  return {};
}

result<trained_scorer> train_scorer(std::string_view kind, const training_rows& rows,
                                    const hyper_values& hyper, const training_rows* validation,
                                    uint64_t seed, unsigned threads) {
  auto full = complete_hyper(kind, hyper);
  if (!full) return tl::unexpected<error>(full.error());
  if (validation && validation->size() == 0) validation = nullptr;
  if (validation
      && (validation->width != rows.width
          || validation->values.size() != rows.width * validation->size()))
    return fail(errc::invalid_argument, "validation rows: of another width");
  auto machine = train_kind(kind, rows, *full, validation, seed, threads);
  if (!machine) return tl::unexpected<error>(machine.error());
  return trained_scorer{std::move(*machine), std::move(*full)};
}

result<std::unique_ptr<scorer>> load_scorer(std::string_view kind, std::istream& in, size_t width) {
  if (width == 0 || width > training_width_max) return fail(errc::malformed, "number of features");
  try {
    auto out = load_kind(kind, in, width);
    if (out && in.peek() != std::istream::traits_type::eof())
      return fail(errc::malformed, std::string(kind) + ": bytes behind the end");
    return out;
  } catch (const std::exception& e) { // a stream that throws, or no memory
    return fail(errc::malformed, std::string(kind) + ": " + e.what());
  }
}

} // namespace harbinger::predict
