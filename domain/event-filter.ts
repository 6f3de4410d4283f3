import type { StagedEvent } from './staging.ts';

/** Which events of a range are meant; without any field all of them are. */
export interface EventFilter {
  organizationId?: string | undefined;
  eventTypes?: readonly string[] | undefined;
  /** Of a lead, a contact or an opportunity, whichever it is. */
  entityId?: string | undefined;
}

/** @param event as far as it is known: what does not say that it is meant is not */
export function isMeant(
  { organizationId, eventTypes, entityId }: EventFilter,
  event: Partial<Pick<StagedEvent, 'organizationId' | 'eventType'>> | StagedEvent,
): boolean {
  if (organizationId !== undefined && event.organizationId !== organizationId) return false;
  if (eventTypes !== undefined && (event.eventType === undefined || !eventTypes.includes(event.eventType)))
    return false;
  return entityId === undefined || ('entity' in event && entityIdOf(event) === entityId);
}

/** The id of the lead, contact or opportunity that an event is about. */
export function entityIdOf(event: StagedEvent): string {
  switch (event.entity) {
    case 'lead':
      return event.leadId;
    case 'contact':
      return event.contactId;
    case 'opportunity':
      return event.opportunityId;
  }
}
