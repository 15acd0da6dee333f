/* Answers as libnvidia-ml.so.1, for tests. What it answers is in the file that MODELFLEET_FAKE_NVML names, a line each:
 *   init CODE            what nvmlInit returns                    hang SECONDS     how long nvmlInit takes
 *   driver VERSION       cuda NUMBER                              crash            nvmlInit ends the process
 *   card KEY=VALUE ...   uuid bus name total used cc lost mig mode ecc pending failed recovery reset fabric
 *   process CARD PID BYTES        BYTES -1: not available
 * A key that a card lacks is not supported by it; underscores in names are spaces. Layouts and numbers as in nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7 };
enum { CARDS = 16, PROCESSES = 64, RESET_STATUS = 226, RECOVERY_ACTION = 230 };

typedef struct { char uuid[96], bus[32], name[96], cc[16]; long long total, used; int lost, mig, mode, ecc, pending, failed, recovery, reset, fabric; } Card;
typedef struct { int card; unsigned pid; long long used; } Process;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } PciInfo;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } ProcessInfo;
typedef struct { unsigned field, scope; long long timestamp, latency; unsigned type; int result; union { double d; unsigned u; unsigned long long ull; } value; } FieldValue;
typedef struct { unsigned char cluster[16]; int status; unsigned clique, state; } FabricInfo;

static Card cards[CARDS];
static Process processes[PROCESSES];
static int card_count, process_count, init_code, hang, crash, cuda;
static char driver[80];

static void read_card(char *line) {
    Card *card = &cards[card_count++];
    memset(card, 0, sizeof *card);
    card->total = card->used = card->mig = card->mode = card->ecc = card->pending = card->failed = card->recovery = card->reset = card->fabric = -1;
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
        char *value = strchr(word, '=');
        if (!value) continue;
        *value++ = 0;
        struct { const char *key; char *text; size_t size; } texts[] = {
            {"uuid", card->uuid, sizeof card->uuid}, {"bus", card->bus, sizeof card->bus}, {"name", card->name, sizeof card->name}, {"cc", card->cc, sizeof card->cc}};
        struct { const char *key; int *number; } numbers[] = {
            {"lost", &card->lost}, {"mig", &card->mig}, {"mode", &card->mode}, {"ecc", &card->ecc}, {"pending", &card->pending}, {"failed", &card->failed},
            {"recovery", &card->recovery}, {"reset", &card->reset}, {"fabric", &card->fabric}};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (!strcmp(word, texts[i].key)) snprintf(texts[i].text, texts[i].size, "%s", value);
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (!strcmp(word, numbers[i].key)) *numbers[i].number = atoi(value);
        if (!strcmp(word, "total")) card->total = atoll(value);
        if (!strcmp(word, "used")) card->used = atoll(value);
    }
    for (char *c = card->name; *c; c++) if (*c == '_') *c = ' ';
}

static void read_scenario(void) {
    const char *path = getenv("MODELFLEET_FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[1024];
    card_count = process_count = hang = crash = cuda = 0;
    init_code = file ? OK : 9;
    while (file && fgets(line, sizeof line, file)) {
        Process *process = &processes[process_count];
        if (!strncmp(line, "card ", 5) && card_count < CARDS) read_card(line + 5);
        else if (sscanf(line, "init %d", &init_code) == 1) continue;
        else if (sscanf(line, "hang %d", &hang) == 1) continue;
        else if (sscanf(line, "cuda %d", &cuda) == 1) continue;
        else if (sscanf(line, "driver %79s", driver) == 1) continue;
        else if (!strncmp(line, "crash", 5)) crash = 1;
        else if (process_count < PROCESSES && sscanf(line, "process %d %u %lld", &process->card, &process->pid, &process->used) == 3) process_count++;
    }
    if (file) fclose(file);
}

static int number(int value, unsigned *out) {
    if (value < 0) return NOT_SUPPORTED;
    *out = (unsigned)value;
    return OK;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    read_scenario();
    if (crash) abort();
    if (hang) sleep((unsigned)hang);
    return init_code;
}

int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
        case 3: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case 9: return "Driver Not Loaded";
        case 15: return "GPU is lost";
        case 18: return "Driver/library version mismatch";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "%s", driver); return OK; }
int nvmlSystemGetCudaDriverVersion(int *out) { *out = cuda; return OK; }
int nvmlDeviceGetCount_v2(unsigned *out) { *out = (unsigned)card_count; return OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **out) { *out = &cards[index]; return cards[index].lost; }

static int text(const char *from, char *out, unsigned size) {
    if (!*from) return NOT_SUPPORTED;
    snprintf(out, size, "%s", from);
    return OK;
}

int nvmlDeviceGetUUID(Card *card, char *out, unsigned size) { return text(card->uuid, out, size); }
int nvmlDeviceGetName(Card *card, char *out, unsigned size) { return text(card->name, out, size); }

int nvmlDeviceGetPciInfo_v3(Card *card, PciInfo *out) {
    memset(out, 0, sizeof *out);
    return text(card->bus, out->bus_id, sizeof out->bus_id);
}

int nvmlDeviceGetMemoryInfo(Card *card, Memory *out) {
    if (card->total < 0) return NOT_SUPPORTED;
    out->total = (unsigned long long)card->total;
    out->used = (unsigned long long)card->used;
    out->free = out->total - out->used;
    return OK;
}

int nvmlDeviceGetCudaComputeCapability(Card *card, int *major, int *minor) { return sscanf(card->cc, "%d.%d", major, minor) == 2 ? OK : NOT_SUPPORTED; }
int nvmlDeviceGetComputeMode(Card *card, unsigned *out) { return number(card->mode, out); }
int nvmlDeviceGetRetiredPagesPendingStatus(Card *card, unsigned *out) { return number(card->failed < 0 ? card->pending : -1, out); }

int nvmlDeviceGetMigMode(Card *card, unsigned *current, unsigned *pending) {
    if (card->mig < 0) return NOT_SUPPORTED;
    *current = *pending = (unsigned)card->mig;
    return OK;
}

int nvmlDeviceGetTotalEccErrors(Card *card, unsigned type, unsigned counter, unsigned long long *out) {
    if (card->ecc < 0) return NOT_SUPPORTED;
    *out = type == 1 && counter == 0 ? (unsigned long long)card->ecc : 0;       /* uncorrected, volatile */
    return OK;
}

int nvmlDeviceGetRemappedRows(Card *card, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
    if (card->failed < 0) return NOT_SUPPORTED;
    *corrected = *uncorrected = 0;
    *pending = card->pending > 0;
    *failed = (unsigned)card->failed;
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *count, ProcessInfo *out) {
    unsigned mine = 0, room = *count;
    for (int i = 0; i < process_count; i++) {
        if (&cards[processes[i].card] != card) continue;
        if (out && mine < room) {
            memset(&out[mine], 0, sizeof *out);
            out[mine].pid = processes[i].pid;
            out[mine].used = processes[i].used < 0 ? ~0ULL : (unsigned long long)processes[i].used;
        }
        mine++;
    }
    *count = mine;
    return mine > room ? INSUFFICIENT_SIZE : OK;
}

int nvmlDeviceGetFieldValues(Card *card, int count, FieldValue *out) {
    for (int i = 0; i < count; i++) {
        int value = out[i].field == RECOVERY_ACTION ? card->recovery : out[i].field == RESET_STATUS ? card->reset : -1;
        out[i].type = 1;
        out[i].result = number(value, &out[i].value.u);
    }
    return OK;
}

int nvmlDeviceGetGpuFabricInfo(Card *card, FabricInfo *out) {
    memset(out, 0, sizeof *out);
    return number(card->fabric, &out->state);
}
