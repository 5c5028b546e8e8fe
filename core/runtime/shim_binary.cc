#include "core/runtime/shim_binary.h"

asm(".section .rodata.bramble_shim,\"a\",%progbits\n"
    ".balign 16\n"
    ".global bramble_shim_begin\n"
    ".global bramble_shim_end\n"
    "bramble_shim_begin:\n"
    ".incbin \"" BRAMBLE_SHIM_FILE "\"\n"
    "bramble_shim_end:\n"
    ".previous\n");

extern "C" const char bramble_shim_begin[];
extern "C" const char bramble_shim_end[];

namespace bramble {

std::string_view shim_binary() { return std::string_view(bramble_shim_begin, static_cast<size_t>(bramble_shim_end - bramble_shim_begin)); }

}  // namespace bramble
