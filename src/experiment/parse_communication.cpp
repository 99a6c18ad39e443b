#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

enum class Kind { none, quantize, top_k, random_k, float16 };
const Words<Kind> kKinds = {{"none", Kind::none},
                            {"quantize", Kind::quantize},
                            {"top_k", Kind::top_k},
                            {"random_k", Kind::random_k},
                            {"float16", Kind::float16}};

double fraction(JsonObject& object) { return object.number("fraction", kUnitOpenClosed, 0.1); }
bool error_feedback(JsonObject& object, bool fallback) {
  return object.boolean("error_feedback", fallback);
}

CommunicationSpec read_kind(JsonObject& object) {
  switch (object.choice("kind", kKinds, Kind::none)) {
    case Kind::none:
      return NoCompression{};
    case Kind::quantize:
      return QuantizeCompression{.bits = object.integer("bits", 2, 16, 8),
                                 .error_feedback = error_feedback(object, false)};
    case Kind::top_k:
      return TopKCompression{.fraction = fraction(object),
                             .error_feedback = error_feedback(object, true)};
    case Kind::random_k:
      return RandomKCompression{.fraction = fraction(object),
                                .error_feedback = error_feedback(object, true)};
    case Kind::float16:
      return Float16Compression{};
  }
  return NoCompression{};
}

}  // namespace

CommunicationSpec parse_communication(JsonObject object) {
  CommunicationSpec communication = read_kind(object);
  object.finish();
  return communication;
}

}  // namespace starling::experiment
