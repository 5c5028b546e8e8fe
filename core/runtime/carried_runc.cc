#include "core/runtime/carried_runc.h"

#ifdef BRAMBLE_RUNC_FILE

asm(".section .rodata.bramble_runc,\"a\",%progbits\n"
    ".balign 16\n"
    ".global bramble_runc_begin\n"
    ".global bramble_runc_end\n"
    "bramble_runc_begin:\n"
    ".incbin \"" BRAMBLE_RUNC_FILE "\"\n"
    "bramble_runc_end:\n"
    ".previous\n");

extern "C" const char bramble_runc_begin[];
extern "C" const char bramble_runc_end[];

namespace bramble {
std::string_view carried_runc() { return std::string_view(bramble_runc_begin, static_cast<size_t>(bramble_runc_end - bramble_runc_begin)); }
}  // namespace bramble

#else

namespace bramble {
std::string_view carried_runc() { return {}; }
}  // namespace bramble

#endif
