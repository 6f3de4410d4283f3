/**
 * Our records out of their values, which come in the order of the fields in our schemas. Each is made by a literal of its
 * own, so that all of a kind have one shape for the engine, whichever writer's schema they were read by.
 */
import type { Entity } from '../../domain/events.ts';

/** Of each field its value, null where the message has none. */
export type Values = unknown[];

export type BuildRecord = (values: Readonly<Values>) => object;

/** The entity is no field of the schema, and comes after all that are. */
export const ENTITY_AT = 6;

export const buildEnvelope: BuildRecord = (values) => ({
  eventId: values[0],
  eventType: values[1],
  organizationId: values[2],
  timestamp: values[3],
  data: values[4],
  metadata: values[5],
  entity: values[ENTITY_AT],
});

export const buildMetadata: BuildRecord = (values) => ({
  source: values[0],
  version: values[1],
  correlationId: values[2],
});

export const BUILD_DATA: Record<Entity, BuildRecord> = {
  lead: (values) => ({
    id: values[0],
    firstName: values[1],
    lastName: values[2],
    email: values[3],
    phone: values[4],
    company: values[5],
    title: values[6],
    source: values[7],
    status: values[8],
    score: values[9],
    assignedTo: values[10],
    createdAt: values[11],
    updatedAt: values[12],
    organizationId: values[13],
  }),
  contact: (values) => ({
    id: values[0],
    firstName: values[1],
    lastName: values[2],
    email: values[3],
    phone: values[4],
    company: values[5],
    title: values[6],
    leadId: values[7],
    createdAt: values[8],
    updatedAt: values[9],
    organizationId: values[10],
  }),
  opportunity: (values) => ({
    id: values[0],
    name: values[1],
    leadId: values[2],
    contactId: values[3],
    amount: values[4],
    currency: values[5],
    stage: values[6],
    probability: values[7],
    expectedCloseDate: values[8],
    createdAt: values[9],
    updatedAt: values[10],
    organizationId: values[11],
  }),
};
