/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Past
 *
 * A record that cannot be read is as one that was never written: what the keeper has of it is
 * then ended, since nobody wants it.
 */

#include <string.h>

#include "core/past.h"
#include "util/log.h"
#include "util/strv.h"

static void *free_record(const RecordField *fields, void *record) {
        if (record)
                record_done(fields, record);
        free(record);
        return NULL;
}

void past_done(Past *past) {
        record_done(supervisor_fields, &past->supervisor);
        for (size_t i = 0; i < past->n_manifests; i++)
                record_done(manifest_fields, &past->manifests[i]);
        for (size_t i = 0; i < past->n_apps; i++)
                record_done(app_fields, &past->apps[i]);
        for (size_t i = 0; i < past->n_sidecars; i++)
                free_record(sidecar_fields, past->sidecars[i]);
        for (size_t i = 0; i < past->n_holds; i++)
                free_record(hold_fields, past->holds[i]);
        free(past->manifests);
        free(past->apps);
        free(past->sidecars);
        free(past->holds);
        *past = (Past){ 0 };
}

typedef struct Payload {
        const char *bytes;
        size_t n_bytes;
} Payload;

static int take_supervisor(Past *past, Payload payload) {
        SupervisorRecord record = { 0 };
        int r;

        r = record_decode(payload.bytes, payload.n_bytes, supervisor_fields, &record);
        if (r < 0)
                return r;

        record_done(supervisor_fields, &past->supervisor);
        past->supervisor = record;
        return 0;
}

static int take_manifest(Past *past, Payload payload) {
        ManifestRecord record = { 0 }, *grown;
        int r;

        r = record_decode(payload.bytes, payload.n_bytes, manifest_fields, &record);
        if (r < 0)
                return r;
        grown = reallocarray(past->manifests, past->n_manifests + 1, sizeof(record));
        if (!grown || !record.path || !record.text) {
                record_done(manifest_fields, &record);
                return grown ? -EBADMSG : -ENOMEM;
        }

        past->manifests = grown;
        past->manifests[past->n_manifests++] = record;
        if (record.number > past->last_manifest)
                past->last_manifest = record.number;
        return 0;
}

static void drop_app(Past *past, const char *id) {
        for (size_t i = 0; i < past->n_apps; i++)
                if (streq(past->apps[i].id, id)) {
                        record_done(app_fields, &past->apps[i]);
                        past->apps[i] = past->apps[--past->n_apps];
                        return;
                }
}

static int take_app(Past *past, Payload payload, bool is_gone) {
        AppRecord record = { 0 }, *grown = NULL;
        int r;

        r = record_decode(payload.bytes, payload.n_bytes, app_fields, &record);
        if (r < 0)
                return r;
        if (!record.id) {
                record_done(app_fields, &record);
                return -EBADMSG;
        }

        drop_app(past, record.id);
        if (!is_gone)
                grown = reallocarray(past->apps, past->n_apps + 1, sizeof(record));
        if (!grown) {
                record_done(app_fields, &record);
                return is_gone ? 0 : -ENOMEM;
        }

        past->apps = grown;
        past->apps[past->n_apps++] = record;
        return 0;
}

/* A vector of pointers that has room for that index; NULL: no memory, and all is as before. */
static void *reach(void *vector, size_t *n, size_t index) {
        char *grown;

        if (index < *n)
                return vector;
        grown = reallocarray(vector, index + 1, sizeof(void *));
        if (!grown)
                return NULL;

        memset(grown + *n * sizeof(void *), 0, (index + 1 - *n) * sizeof(void *));
        *n = index + 1;
        return grown;
}

/* They are used as indices, by this brain, which may know less of them. */
static bool is_sane(const SidecarRecord *record) {
        const Lifecycle *life = &record->life;

        return record->app && record->name && record->slot < PAST_PLACES_MAX &&
               (unsigned) life->goal < _GOAL_MAX && (unsigned) life->process < _PROCESS_FACT_MAX &&
               (unsigned) life->end_stage < _END_STAGE_MAX &&
               (unsigned) life->status < _STATUS_MAX &&
               (unsigned) life->sub_state < _SUB_STATE_MAX &&
               (unsigned) life->stop_code < _REASON_CODE_MAX &&
               (unsigned) life->cause.code < _REASON_CODE_MAX &&
               (unsigned) life->cause.last < _REASON_CODE_MAX &&
               (unsigned) record->generations[0].reason_code < _REASON_CODE_MAX &&
               (unsigned) record->generations[1].reason_code < _REASON_CODE_MAX &&
               (unsigned) record->generations[2].reason_code < _REASON_CODE_MAX;
}

static void drop_sidecar(Past *past, uint32_t slot) {
        if (slot < past->n_sidecars)
                past->sidecars[slot] = free_record(sidecar_fields, past->sidecars[slot]);
}

static int take_sidecar(Past *past, Payload payload) {
        SidecarRecord *record = calloc(1, sizeof(*record)), **grown = NULL;
        int r;

        if (!record)
                return -ENOMEM;
        r = record_decode(payload.bytes, payload.n_bytes, sidecar_fields, record);
        if (r >= 0 && !is_sane(record))
                r = -EBADMSG;
        if (r >= 0) {
                grown = reach(past->sidecars, &past->n_sidecars, record->slot);
                r = grown ? 0 : -ENOMEM;
        }
        if (r < 0) {
                free_record(sidecar_fields, record);
                return r;
        }

        past->sidecars = grown;
        drop_sidecar(past, record->slot);
        past->sidecars[record->slot] = record;
        return 0;
}

static void drop_hold(Past *past, uint32_t place) {
        if (place < past->n_holds)
                past->holds[place] = free_record(hold_fields, past->holds[place]);
}

static int take_hold(Past *past, Payload payload) {
        HoldRecord *record = calloc(1, sizeof(*record)), **grown = NULL;
        int r;

        if (!record)
                return -ENOMEM;
        r = record_decode(payload.bytes, payload.n_bytes, hold_fields, record);
        if (r >= 0 &&
            (!record->app || !record->owner || !record->reason || record->place >= HOLDS_MAX))
                r = -EBADMSG;
        if (r >= 0) {
                grown = reach(past->holds, &past->n_holds, record->place);
                r = grown ? 0 : -ENOMEM;
        }
        if (r < 0) {
                free_record(hold_fields, record);
                return r;
        }

        past->holds = grown;
        drop_hold(past, record->place);
        past->holds[record->place] = record;
        return 0;
}

/* Of what has gone the key alone was written, which is a number. */
static int take_gone(Past *past, uint32_t kind, Payload payload) {
        SidecarRecord sidecar = { 0 };
        HoldRecord hold = { 0 };
        int r;

        if (kind == RECORD_SIDECAR_GONE) {
                r = record_decode(payload.bytes, payload.n_bytes, sidecar_fields, &sidecar);
                if (r < 0)
                        return r;
                record_done(sidecar_fields, &sidecar);
                drop_sidecar(past, sidecar.slot);
        } else {
                r = record_decode(payload.bytes, payload.n_bytes, hold_fields, &hold);
                if (r < 0)
                        return r;
                record_done(hold_fields, &hold);
                drop_hold(past, hold.place);
        }

        return 0;
}

static int take_event(const Past *past, Payload payload) {
        Event event = { 0 };
        int r;

        r = record_decode(payload.bytes, payload.n_bytes, event_fields, &event);
        if (r < 0)
                return r;
        if ((unsigned) event.type >= _EVENT_TYPE_MAX || (unsigned) event.status >= _STATUS_MAX ||
            (unsigned) event.sub_state >= _SUB_STATE_MAX ||
            (unsigned) event.reason_code >= _REASON_CODE_MAX) {
                record_done(event_fields, &event);
                return -EBADMSG;
        }

        events_take_up(past->events, &event);
        return 0;
}

static int take_batch(Past *past, Payload payload) {
        while (payload.n_bytes > 0) {
                uint32_t head[2];
                int r;

                if (payload.n_bytes < sizeof(head))
                        return -EBADMSG;
                memcpy(head, payload.bytes, sizeof(head));
                payload.bytes += sizeof(head);
                payload.n_bytes -= sizeof(head);
                if (head[1] > payload.n_bytes || head[0] == RECORD_BATCH)
                        return -EBADMSG;
                r = past_take(head[0], payload.bytes, head[1], past);
                if (r < 0)
                        return r;
                payload.bytes += head[1];
                payload.n_bytes -= head[1];
        }

        return 0;
}

static int take(Past *past, uint32_t kind, Payload payload) {
        switch (kind) {

        case RECORD_BATCH:
                return take_batch(past, payload);

        case RECORD_SUPERVISOR:
                return take_supervisor(past, payload);

        case RECORD_MANIFEST:
                return take_manifest(past, payload);

        case RECORD_APP:
        case RECORD_APP_GONE:
                return take_app(past, payload, kind == RECORD_APP_GONE);

        case RECORD_SIDECAR:
                return take_sidecar(past, payload);

        case RECORD_HOLD:
                return take_hold(past, payload);

        case RECORD_SIDECAR_GONE:
        case RECORD_HOLD_GONE:
                return take_gone(past, kind, payload);

        case RECORD_EVENT:
                return take_event(past, payload);

        default:
                return 0; /* of a newer brain */
        }
}

int past_take(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        int r;

        r = take(userdata, kind, (Payload){ payload, n_bytes });
        if (r != -EBADMSG)
                return r;

        log_warning("A record of kind %u cannot be read, it is left out", (unsigned) kind);
        return 0;
}

const ManifestRecord *past_find_manifest(const Past *past, uint64_t number) {
        for (size_t i = past->n_manifests; i-- > 0;)
                if (past->manifests[i].number == number)
                        return &past->manifests[i];

        return NULL;
}
