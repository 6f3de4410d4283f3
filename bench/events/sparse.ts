import type { SoundEvent } from '../../scripts/lib/story.ts';

/** An event without anything that the schema leaves to the source: as small as they come. */
export function sparse(event: SoundEvent): SoundEvent {
  switch (event.entity) {
    case 'lead': {
      const data = { ...event.data, phone: null, company: null, title: null, score: null, assignedTo: null };
      return { ...event, metadata: null, data };
    }
    case 'contact': {
      const data = { ...event.data, phone: null, company: null, title: null, leadId: null };
      return { ...event, metadata: null, data };
    }
    case 'opportunity':
      return { ...event, metadata: null, data: { ...event.data, leadId: null, contactId: null } };
  }
}
