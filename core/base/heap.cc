#include "core/base/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/base/limits.h"

namespace bramble {

void keep_heap_small() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, limits::kHeapMapBytes);
  mallopt(M_TRIM_THRESHOLD, limits::kHeapTrimBytes);
#endif
}

void give_back_free_heap() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace bramble
