/* libnvidia-ml.so.1 as far as memory goes: one GPU and one slice of it, misbehaving as NVML_STUB says.

   NVML_STUB holds words NAME=NUMBER: init, memory, compute, graphics: that call's return code; pid: who is listed (0:
   the parent of the calling process, -1: nobody); bytes: what is listed for it (-1: not available); last: readings of
   the memory after which the GPU is lost; step: bytes by which the device's used memory grows at each of them. */

#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; } Process;

static char whole, slice;
static long readings;

static long told(const char *name, long otherwise) {
    const char *text = getenv("NVML_STUB");
    size_t length = strlen(name);
    for (const char *word = text; word && *word; word = strchr(word, ' ') ? strchr(word, ' ') + 1 : 0)
        if (!strncmp(word, name, length) && word[length] == '=') return strtol(word + length + 1, 0, 10);
    return otherwise;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return (int)told("init", SUCCESS); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the stub"; }

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    if (!strcmp(uuid, "GPU-aaaa")) *device = &whole;
    else if (!strcmp(uuid, "MIG-bbbb")) *device = &slice;
    else return NOT_FOUND;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *device, Memory *found) {
    (void)device;
    if (told("memory", SUCCESS)) return (int)told("memory", SUCCESS);
    if (readings++ >= told("last", 1L << 40)) return GPU_IS_LOST;
    found->total = 8ULL << 30;
    found->used = (1ULL << 30) + (unsigned long long)(readings * told("step", 0));
    found->free = found->total - found->used;
    return SUCCESS;
}

static int list(int code, unsigned *count, Process *found) {
    long pid = told("pid", -1);
    unsigned room = *count, others = 1, length = others + (pid >= 0);
    if (code) return code;
    *count = length;
    if (!found || room < length) return INSUFFICIENT_SIZE;
    memset(found, 0, length * sizeof *found);
    found[0].pid = 1, found[0].bytes = 123;
    if (pid >= 0) {
        found[1].pid = pid ? (unsigned)pid : (unsigned)getppid();
        found[1].bytes = (unsigned long long)told("bytes", 1L << 29);
    }
    return SUCCESS;
}

/* Who may list a slice's processes need not be allowed to list those of the whole GPU; and a slice draws nothing. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, Process *found) {
    long code = told("compute", SUCCESS);
    return list(device == &slice && code == NO_PERMISSION ? SUCCESS : (int)code, count, found);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, Process *found) {
    if (device == &slice) return NOT_SUPPORTED;
    return list((int)told("graphics", SUCCESS), count, found);
}
