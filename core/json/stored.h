// Documents as the watch cache keeps them: each metadata.managedFields[].fieldsV1 is *folded*, one node that holds its JSON
// text in place of a node for every field (a third of a Pod's memory). The bytes of the document are as they were. A folded
// value is no object to operator[], members() and is_object(); it is copied, compared and dumped as the object that it is.
// Who looks inside unfolds it: that is who owns fields (core/registry), patches and YAML. Pure; any thread.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace bramble {

// As Document::parse.
Result<Document> parse_stored(Buffer json);
// The JSON text of a folded value; "" of any other.
std::string_view folded_text(Value v);
// A document of its own with everything unfolded.
Document unfolded(Value v);

}  // namespace bramble
