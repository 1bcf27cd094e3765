// The stand-in judged by Microsoft's own SDKs: HALLMARK_DPS_NODE_MODULES=DIR node --test sdk.test.mjs
import './behaviours/certificates.mjs';
import './behaviours/enrollments.mjs';
import './behaviours/registration.mjs';
import './behaviours/credentials.mjs';
import './behaviours/trouble.mjs';
import './behaviours/programs.mjs';
