#pragma once
// Which layer of a student is to follow which layer of its teacher; layer_matching.h makes it so.

#include <string>

namespace starling {

enum class MatchKind {
  hint,       // by its activations, through a projection that is learnt (FitNets)
  attention,  // by where in the image they are large (attention transfer)
};

struct LayerMatch {
  MatchKind kind = MatchKind::hint;
  std::string teacher;  // outermost layer of the model file: its name or its position
  std::string student;
  double weight = 1.0;  // > 0: of this loss beside that of the answers
};

// "hint 5:2"
inline std::string to_string(const LayerMatch& match) {
  return (match.kind == MatchKind::hint ? "hint " : "attention ") + match.teacher + ":" +
         match.student;
}

}  // namespace starling
