#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

enum class Kind { none, label_flip, sign_flip, gaussian, backdoor };
const Words<Kind> kKinds = {{"none", Kind::none},
                            {"label_flip", Kind::label_flip},
                            {"sign_flip", Kind::sign_flip},
                            {"gaussian", Kind::gaussian},
                            {"backdoor", Kind::backdoor}};

double clients(JsonObject& object) { return object.number("clients", kUnit, 0.2); }

LabelFlipAttack read_label_flip(JsonObject& object) {
  LabelFlipAttack attack{.clients = clients(object),
                         .from = object.optional_integer("from", 0, kMany),
                         .to = object.optional_integer("to", 0, kMany)};
  if (attack.from.has_value() != attack.to.has_value())
    object.fail(attack.from ? "from" : "to",
                "is given alone; give from and to, or neither, which maps label y to the last "
                "label less y");
  return attack;
}

BackdoorAttack read_backdoor(JsonObject& object) {
  BackdoorAttack attack;
  attack.clients = clients(object);
  attack.target = object.integer("target", 0, kMany, attack.target);
  attack.size = object.integer("size", 1, kMany, attack.size);
  attack.value = object.number("value", {}, attack.value);
  attack.poisoned = object.number("poisoned", kUnitOpenClosed, attack.poisoned);
  attack.scale = object.number("scale", kPositive, attack.scale);
  return attack;
}

AttackSpec read_kind(JsonObject& object) {
  switch (object.choice("kind", kKinds, Kind::none)) {
    case Kind::none:
      return NoAttack{};
    case Kind::label_flip:
      return read_label_flip(object);
    case Kind::sign_flip:
      return SignFlipAttack{.clients = clients(object),
                            .scale = object.number("scale", kPositive, 1.0)};
    case Kind::gaussian:
      return GaussianAttack{.clients = clients(object),
                            .std = object.number("std", kPositive, 1.0)};
    case Kind::backdoor:
      return read_backdoor(object);
  }
  return NoAttack{};
}

}  // namespace

AttackSpec parse_attack(JsonObject object) {
  AttackSpec attack = read_kind(object);
  object.finish();
  return attack;
}

}  // namespace starling::experiment
